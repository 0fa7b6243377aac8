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
import {
  type ChoiceInput,
  CHOICES,
  chosenTokens,
  SHARED_CHOICES,
  type SharedChoice,
  smallestSet,
} from "./choices.ts";

/** What to measure. */
export interface KeptAttentionPlan {
  name: string;
  /** Tokens of the text: a multiple of 64. */
  ids: readonly number[];
  /** Sealed tokens that a KV head reads, the first block among them; the window is read besides. */
  budgets: readonly number[];
  /** Shares of the attention of which it is counted what tokens they need; none if left out. */
  shares?: readonly number[];
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

/** What shares of the attention need; names as printed. */
export interface NeededTokensReport {
  kind: "needed tokens";
  text: string;
  model: string;
  /** Of the text, and of those the ones before the window. */
  tokens: number;
  sealed: number;
  choice: string;
  /** By share: tokens before the window that a KV head reads, and those not read just before. */
  needed: { share: number; tokens: number; worst_layer: number; fetched: number }[];
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
): Promise<{ kept: KeptAttentionReport[]; needed: NeededTokensReport[] }> {
  const { shape } = model;
  const { ids, budgets, denseLayerCount, name, shares = [] } = plan;
  const isMeasured = measuredLayers(model, denseLayerCount);
  /** By layer: `[tokens][kvHeadCount * headSize]`. */
  const keysOf = Array.from({ length: shape.layerCount }, (): Float32Array[] => []);
  /** `[choice][budget][layer]`: sums over heads and queries. */
  const sums = CHOICES.map(() => budgets.map(() => new Float64Array(shape.layerCount)));
  /** `[choice][share][layer]`. */
  const needs = SHARED_CHOICES.map(() =>
    shares.map(() => Array.from({ length: shape.layerCount }, (): Need => ({ ...NO_NEED })))
  );
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
      const own = keptOf(shape, keysOf[layer], {
        sample,
        budgets,
        scale,
        onAttention(attention, isFirst) {
          for (const [index, choice] of SHARED_CHOICES.entries()) {
            for (const [at, share] of shares.entries()) {
              addNeed(needs[index][at][layer], attention, { choice, share, isFirst });
            }
          }
        },
      });
      count = own.count;
      own.kept.forEach((byBudget, choice) =>
        byBudget.forEach((sum, budget) => sums[choice][budget][layer] += sum)
      );
      onProgress(`${name}: layer ${layer} of ${shape.layerCount}`, layer / shape.layerCount);
    },
    onProgress: (share) => onProgress(`${name}: reading`, share),
  });
  const facts = { text: name, model: shape.name, tokens: ids.length };
  const kept = CHOICES.map(({ name: choice }, index): KeptAttentionReport => ({
    kind: "kept attention",
    ...facts,
    choice,
    kept: budgets.map((tokens, budget) => {
      const byLayer = [...sums[index][budget]].filter((_, layer) => isMeasured[layer])
        .map((sum) => sum / count);
      const mean = byLayer.reduce((sum, own) => sum + own, 0) / byLayer.length;
      return { tokens, mean, worst_layer: Math.min(...byLayer) };
    }),
  }));
  const measured = needs.map((byShare) =>
    byShare.map((layers) => meanNeed(layers.filter((_, layer) => isMeasured[layer])))
  );
  return { kept, needed: neededReports(facts, shares, measured) };
}

function neededReports(
  facts: Pick<NeededTokensReport, "text" | "model" | "tokens">,
  shares: readonly number[],
  means: readonly (readonly Omit<NeededTokensReport["needed"][0], "share">[])[],
): NeededTokensReport[] {
  const sealed = sealedBlockCount(facts.tokens, WINDOW_BLOCK_COUNT) * BLOCK_TOKEN_COUNT;
  return SHARED_CHOICES.map(({ name: choice }, index) => ({
    kind: "needed tokens",
    ...facts,
    sealed,
    choice,
    needed: shares.map((share, at) => ({ share, ...means[index][at] })),
  }));
}

/** What the queries and KV heads of a layer need of a share. */
interface Need {
  tokens: number;
  sets: number;
  /** Tokens that the query before did not need, over queries that have one before. */
  fetched: number;
  following: number;
  last: ReadonlySet<number>;
}

const NO_NEED: Need = { tokens: 0, sets: 0, fetched: 0, following: 0, last: new Set() };

/** Attention of the heads of a KV head, summed. */
interface GroupAttention {
  /** Of each token before the window. */
  attention: Float64Array;
  inWindow: number;
  all: number;
}

function addNeed(
  need: Need,
  { attention, inWindow, all }: GroupAttention,
  { choice, share, isFirst }: { choice: SharedChoice; share: number; isFirst: boolean },
): void {
  const set = smallestSet(attention, { choice, inWindow, all, share });
  need.tokens += set.size;
  need.sets++;
  if (!isFirst) {
    for (const token of set) if (!need.last.has(token)) need.fetched++;
    need.following++;
  }
  need.last = set;
}

function meanNeed(layers: readonly Need[]) {
  const mean = (of: (need: Need) => number) =>
    layers.reduce((sum, need) => sum + of(need), 0) / layers.length;
  return {
    tokens: mean(({ tokens, sets }) => tokens / sets),
    worst_layer: Math.max(...layers.map(({ tokens, sets }) => tokens / sets)),
    fetched: mean(({ fetched, following }) => fetched / Math.max(1, following)),
  };
}

/** Sums over query heads and the last queries of a slice: `[choice][budget]`. */
function keptOf(
  { kvHeadCount, queryHeadCount, headSize }: LoadedModel["shape"],
  keys: readonly Float32Array[],
  { sample, budgets, scale, onAttention }: {
    sample: SliceSample;
    budgets: readonly number[];
    scale: number;
    /** Called with what each query gives, KV head by KV head; whether it is the first of one. */
    onAttention: (attention: GroupAttention, isFirst: boolean) => void;
  },
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
    const prepared = budgets.length > 0 ? CHOICES.map(({ prepare }) => prepare(sealed)) : [];
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
      const isFirst = row === sample.rowCount - queryCount;
      onAttention({ attention, inWindow, all: groupSize }, isFirst);
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
