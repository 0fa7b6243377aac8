/**
 * The order of query and key channels on the device, where RoPE turns neighbours, and what is done
 * to them before it.
 *
 * @module
 */

import type { AttentionPlan, RopePlan } from "./plan.ts";

/** Place of a row among those of its weight on the device. */
export type RowOrder = (row: number) => number;

/** Places of the rows of query or key heads; null if they stay where they are. */
export function headRowOrder(rope: RopePlan | null, headSize: number): RowOrder | null {
  if (rope?.pairing !== "halves") return null;
  const half = rope.dimension / 2;
  return (row) => {
    const channel = row % headSize;
    if (channel >= rope.dimension) return row;
    const place = channel < half ? 2 * channel : 2 * (channel - half) + 1;
    return row - channel + place;
  };
}

/** Key heads that a layer makes, as many as value heads; 0 if it reads those of another layer. */
export function ownKvHeadCount(
  { heads, headShape }: Pick<AttentionPlan, "heads" | "headShape">,
): number {
  return heads.length === 1 ? 0 : headShape.kvHeadCount;
}

/** Whether products, RoPE and the window's append can be one kernel. */
export function hasPlainHeads(plan: AttentionPlan): boolean {
  const { headSize } = plan.headShape;
  return ownKvHeadCount(plan) > 0 && plan.biases === null && plan.queryNorm === null &&
    plan.keyNorm === null && !plan.normsValues && plan.temperature === null &&
    plan.scale === 1 / Math.sqrt(headSize);
}

/** What is added to heads, and what queries and keys are multiplied by. */
export interface HeadFinish {
  /** f32 `[queryHeadCount + 2 * ownKvHeadCount, headSize]`. */
  shifts: Float32Array<ArrayBuffer>;
  /** f32 `[queryHeadCount + ownKvHeadCount, headSize]`. */
  gains: Float32Array<ArrayBuffer>;
}

/**
 * Biases, weights of norms and the scale of scores, for each channel in the device's order. A scale
 * other than `1 / sqrt(headSize)`, which attention applies, goes to the queries.
 *
 * @param valuesOf The values of an F32 tensor.
 */
export function headFinish(
  plan: AttentionPlan,
  valuesOf: (tensor: string) => Float32Array,
): HeadFinish {
  const { queryHeadCount, headSize } = plan.headShape;
  const queryWidth = queryHeadCount * headSize;
  const kvWidth = ownKvHeadCount(plan) * headSize;
  const order = headRowOrder(plan.rope, headSize) ?? ((row: number) => row);
  const shifts = new Float32Array(queryWidth + 2 * kvWidth);
  const biases = (plan.biases ?? []).flatMap((name) => [...valuesOf(name)]);
  biases.forEach((bias, row) => {
    shifts[row < queryWidth + kvWidth ? order(row) : row] = bias;
  });
  const gains = new Float32Array(queryWidth + kvWidth);
  const queryNorm = plan.queryNorm && valuesOf(plan.queryNorm.tensor);
  const keyNorm = plan.keyNorm && valuesOf(plan.keyNorm.tensor);
  const scale = plan.scale * Math.sqrt(headSize);
  for (let row = 0; row < queryWidth; row++) {
    gains[order(row)] = scale * (queryNorm?.[row % queryNorm.length] ?? 1);
  }
  for (let row = 0; row < kvWidth; row++) {
    gains[order(queryWidth + row)] = keyNorm?.[row % keyNorm.length] ?? 1;
  }
  return { shifts, gains };
}
