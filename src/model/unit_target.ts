import { WEIGHT_FORMATS, type WeightFormat } from "../kernels/weight_formats.ts";
import { GROUP_ROW_COUNT } from "../kernels/weight_layout.ts";

/** Where a unit goes: 32 or 256 columns of one row of a group. */
export interface UnitTarget {
  words: Uint32Array;
  /** Vector 0 of the first block of 32 columns: words `4 * vector` and the next three. */
  vector: number;
  /** Side data; empty in formats without. */
  side: Uint32Array;
  /** First word of the unit's side data, which it shares with the other rows of the group. */
  sideStart: number;
  /** Row in the group. */
  row: number;
}

/** Vectors from one vector of a row's block to the next. */
export const VECTOR_STRIDE = 8;

/** Vectors from a row's block of 32 columns to the next block. */
export function blockStride(format: WeightFormat): number {
  return GROUP_ROW_COUNT * WEIGHT_FORMATS[format].vectorsPerBlock;
}

/** Copies the unit at byte `at` of `view`. */
export type UnitWriter = (view: DataView, at: number, target: UnitTarget) => void;
