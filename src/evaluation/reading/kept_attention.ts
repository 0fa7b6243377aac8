/**
 * How much of their attention queries keep if they read so many tokens only, by choice: of the last
 * tokens of a text, over the exact cache, layer by layer.
 *
 * @module
 */

import type { SliceSample } from "../../calibration/samples.ts";
import {
  BLOCK_TOKEN_COUNT,
  haveSameKeys,
  sealedBlockCount,
  WINDOW_BLOCK_COUNT,
} from "../../core/shapes.ts";
import { sampleText } from "../../runtime/calibration_run.ts";
import type { LoadedModel, OnProgress } from "../../runtime/load_model.ts";
import { type ChoiceInput, CHOICES, chosenTokens } from "./choices.ts";

/** What to measure. */
export interface KeptAttentionPlan {
  name: string;
  /** Tokens of the text: a multiple of 64. */
  ids: readonly number[];
  /** Sealed tokens that a KV head reads, the first block among them; the window is read besides. */
  budgets: readonly number[];
  /** First layers that are left out; so are those that see a window. */
  denseLayerCount: number;
}

/** What one choice keeps; names as printed. */
export interface KeptAttentionReport {
  kind: "kept attention";
  text: string;
  model: string;
  tokens: number;
  choice: string;
  /** By budget: mean share of a query head's attention that is kept, window included. */
  kept: { tokens: number; mean: number; worst_layer: number }[];
}

/** Last tokens of the text whose queries choose. */
const QUERY_COUNT = 16;

/**
 * Which layers are measured: those that choose and see all tokens.
 *
 * @throws {RangeError} If there is none, or their scores are made in a way that is not known here.
 */
function measuredLayers({ plan, shape }: LoadedModel, denseLayerCount: number): boolean[] {
  const isMeasured = plan.layers.map(({ attention: { window, headShape } }, layer) =>
    layer >= denseLayerCount && window === null && haveSameKeys(headShape, shape)
  );
  if (!isMeasured.includes(true)) throw new RangeError("Cannot measure: no layer chooses");
  for (const [layer, { attention }] of plan.layers.entries()) {
    const odd = ODD_SCORES.find((part) => isMeasured[layer] && attention[part] !== null);
    if (odd) throw new RangeError(`Cannot measure layer ${layer}: its attention has ${odd}`);
  }
  return isMeasured;
}

/** Parts of a layer's attention without which its scores are products of query and key. */
const ODD_SCORES = ["softCap", "sinks", "temperature", "latent"] as const;

/**
 * Runs the text and measures every choice.
 *
 * @throws {RangeError} If the model's scores are more than products of queries and keys.
 */
export async function evaluateKeptAttention(
  model: LoadedModel,
  plan: KeptAttentionPlan,
  onProgress: OnProgress = () => {},
): Promise<KeptAttentionReport[]> {
  const { shape } = model;
  const { ids, budgets, denseLayerCount, name } = plan;
  const isMeasured = measuredLayers(model, denseLayerCount);
  /** By layer: `[tokens][kvHeadCount * headSize]`. */
  const keysOf = Array.from({ length: shape.layerCount }, (): Float32Array[] => []);
  /** `[choice][budget][layer]`: sums over heads and queries. */
  const sums = CHOICES.map(() => budgets.map(() => new Float64Array(shape.layerCount)));
  let count = 0;
  await sampleText(model, ids, {
    onSample(layer, sample) {
      if (!isMeasured[layer]) return;
      const width = shape.kvHeadCount * shape.headSize;
      for (let row = 0; row < sample.rowCount; row++) {
        keysOf[layer].push(sample.keys.slice(row * width, (row + 1) * width));
      }
      if (sample.position + sample.rowCount < ids.length) return;
      const { scale } = model.plan.layers[layer].attention;
      const own = keptOf(shape, keysOf[layer], { sample, budgets, scale });
      count = own.count;
      own.kept.forEach((byBudget, choice) =>
        byBudget.forEach((sum, budget) => sums[choice][budget][layer] += sum)
      );
      onProgress(`${name}: layer ${layer} of ${shape.layerCount}`, layer / shape.layerCount);
    },
    onProgress: (share) => onProgress(`${name}: reading`, share),
  });
  return CHOICES.map(({ name: choice }, index) => ({
    kind: "kept attention",
    text: name,
    model: shape.name,
    tokens: ids.length,
    choice,
    kept: budgets.map((tokens, budget) => {
      const byLayer = [...sums[index][budget]].filter((_, layer) => isMeasured[layer])
        .map((sum) => sum / count);
      const mean = byLayer.reduce((sum, own) => sum + own, 0) / byLayer.length;
      return { tokens, mean, worst_layer: Math.min(...byLayer) };
    }),
  }));
}

/** Sums over query heads and the last queries of a slice: `[choice][budget]`. */
function keptOf(
  { kvHeadCount, queryHeadCount, headSize }: LoadedModel["shape"],
  keys: readonly Float32Array[],
  { sample, budgets, scale }: { sample: SliceSample; budgets: readonly number[]; scale: number },
): { kept: number[][]; count: number } {
  const groupSize = queryHeadCount / kvHeadCount;
  const sealedCount = sealedBlockCount(keys.length, WINDOW_BLOCK_COUNT) * BLOCK_TOKEN_COUNT;
  const kept = CHOICES.map(() => budgets.map(() => 0));
  const queryCount = Math.min(QUERY_COUNT, sample.rowCount);
  for (let kvHead = 0; kvHead < kvHeadCount; kvHead++) {
    const own = keys.map((key) =>
      Float64Array.from(key.subarray(kvHead * headSize, (kvHead + 1) * headSize))
    );
    const sealed = own.slice(0, sealedCount);
    const prepared = CHOICES.map(({ prepare }) => prepare(sealed));
    for (let row = sample.rowCount - queryCount; row < sample.rowCount; row++) {
      const queries = Array.from({ length: groupSize }, (_, head) => {
        const start = (row * queryHeadCount + kvHead * groupSize + head) * headSize;
        return Float64Array.from(sample.queries.subarray(start, start + headSize));
      });
      const seenCount = sample.position + row + 1;
      const shares = queries.map((query) => attentionOf(query, own.slice(0, seenCount), scale));
      const attention = new Float64Array(sealedCount);
      for (const share of shares) attention.forEach((_, token) => attention[token] += share[token]);
      const input: ChoiceInput = { keys: sealed, queries, attention };
      // Of all heads: what the window gets is kept whatever is chosen.
      const inWindow = groupSize - attention.reduce((sum, share) => sum + share, 0);
      for (const [choice, score] of prepared.entries()) {
        const runs = score(input);
        for (const [index, budget] of budgets.entries()) {
          let sum = inWindow;
          for (const token of chosenTokens(runs, budget)) sum += attention[token] ?? 0;
          kept[choice][index] += sum;
        }
      }
    }
  }
  return { kept, count: queryCount * queryHeadCount };
}

/** Softmax of a query over keys. */
function attentionOf(
  query: Float64Array,
  keys: readonly Float64Array[],
  scale: number,
): Float64Array {
  const scores = Float64Array.from(keys, (key) => {
    let sum = 0;
    for (let channel = 0; channel < key.length; channel++) sum += query[channel] * key[channel];
    return sum * scale;
  });
  const peak = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = scores.map((score) => Math.exp(score - peak));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}
