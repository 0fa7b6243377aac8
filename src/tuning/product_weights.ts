/**
 * The products of a model by shape: weights on the device, and rows of them from the file that
 * results are compared with.
 *
 * @module
 */

import { dequantise } from "../gguf/dequantise.ts";
import type { GgufFile } from "../gguf/read_gguf.ts";
import { matmulKey } from "../kernels/matmul/variants.ts";
import type { DeviceWeights } from "../kernels/weight_layout.ts";
import { headRowOrder } from "../model/head_rows.ts";
import type { LayerPlan, MatrixPlan, ModelPlan } from "../model/plan.ts";
import { matrixSource } from "../model/tensor_source.ts";
import type { ProductMath } from "../model/product_math.ts";
import type { LayerWeights, ModelWeights } from "../model/weights.ts";

/** Outputs that are compared: all are made by the same text. */
const COMPARED_COUNT = 16;

/** Weights of the same shape and formats. */
export interface ProductWeights {
  /** At least one. */
  weights: readonly DeviceWeights[];
  /** Some outputs of the first, and the rows of the weight that make them. */
  wanted: () => { output: number; values: Float32Array }[];
  /** Whether all rows of a slice go through it. */
  isOfSlices: boolean;
}

/** A model's weights, and where they are from. */
export interface TunedModel {
  file: GgufFile;
  plan: ModelPlan;
  weights: ModelWeights;
  /** How products are made; in f32 if left out. */
  math?: ProductMath;
}

/** A weight, and from which row of which matrix output `index` comes. */
interface Source {
  weights: DeviceWeights;
  rowOf: (index: number) => { output: number; matrix: MatrixPlan; row: number };
}

/** The products of layers and of the head; not those of experts. */
export function productWeights({ file, plan, weights }: TunedModel): ProductWeights[] {
  const ofLayers = plan.layers.flatMap((layer, index) =>
    layerSources(layer, weights.layers[index])
  );
  const head = plain(weights.head, plan.head.matrix);
  const headKey = matmulKey("", head.weights);
  const byKey = Map.groupBy([...ofLayers, head], (each) => matmulKey("", each.weights));
  return [...byKey.entries()].map(([key, sources]) => ({
    weights: sources.map((source) => source.weights),
    wanted: () => comparedRows(file, sources[0]),
    isOfSlices: key !== headKey || sources.length > 1,
  }));
}

function layerSources({ attention, feedForward }: LayerPlan, weights: LayerWeights): Source[] {
  const sources = [
    ...attentionSources(attention, weights),
    plain(weights.attentionOutput, attention.output),
  ];
  if (weights.gated === null) return sources;
  const { gateUp, down } = weights.gated;
  const [gate, up] = feedForward.gateUp;
  if ("pairs" in gateUp) {
    sources.push({
      weights: gateUp.pairs,
      rowOf: (output) => ({ output, matrix: [gate, up][output % 2], row: output >> 1 }),
    });
  } else {
    sources.push(plain(gateUp.gate, gate), plain(gateUp.up, up));
  }
  return [...sources, plain(down, feedForward.down)];
}

/** What queries, keys and values, or latents, are made by; not the products of single heads. */
function attentionSources(
  { rope, headShape, heads: [queries], latent }: LayerPlan["attention"],
  weights: LayerWeights,
): Source[] {
  const order = headRowOrder(rope, headShape.headSize);
  if (weights.heads !== null) {
    const heads = plain(weights.heads, queries);
    const rowOf = (row: number) => ({ ...heads.rowOf(row), output: order?.(row) ?? row });
    return [{ ...heads, rowOf }];
  }
  if (latent === null || weights.latent === null) return [];
  const { queryDown, down, contentQueries, turnedQueries } = weights.latent;
  const sources = [
    plain(contentQueries, latent.contentQueries[0]),
    plain(turnedQueries, latent.turnedQueries[0]),
  ];
  if (queryDown !== null) sources.push(plain(queryDown, latent.queryDown!.matrix));
  if (down !== null) sources.push(plain(down, latent.down!.matrix));
  return sources;
}

function plain(weights: DeviceWeights, matrix: MatrixPlan): Source {
  return { weights, rowOf: (row) => ({ output: row, matrix, row }) };
}

function comparedRows(file: GgufFile, { weights, rowOf }: Source) {
  const { rowCount, columnCount } = weights;
  return Array.from({ length: Math.min(COMPARED_COUNT, rowCount) }, (_, index) => {
    const { output, matrix, row } = rowOf(index);
    const one = { ...matrix, rowStart: matrix.rowStart + row, rowCount: 1 };
    const { type, bytes } = matrixSource(file, one);
    return { output, values: dequantise(type, bytes, columnCount) };
  });
}
