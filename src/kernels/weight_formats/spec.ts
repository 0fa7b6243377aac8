import scales from "../../../shaders/lib/weight_scales.wgsl" with { type: "text" };
import bytes from "../../../shaders/lib/weight_bytes.wgsl" with { type: "text" };
import valuesHere from "../../../shaders/lib/weight_values.wgsl" with { type: "text" };
import valuesOfLanes from "../../../shaders/lib/weight_values_lanes.wgsl" with { type: "text" };
import fields from "../../../shaders/lib/weight_fields.wgsl" with { type: "text" };
import unshared from "../../../shaders/lib/weight_unshared.wgsl" with { type: "text" };
import { constantLines } from "../../gpu/wgsl_template.ts";
import type { TensorType } from "../../gguf/tensor_types.ts";

/** A format in which weights lie on the device. */
export interface WeightFormatSpec {
  /** Columns whose side data lie together: 32, or 256 of a super-block. */
  readonly unitColumnCount: 32 | 256;
  /** Vectors of 4 words that hold the codes of 32 columns of a row. */
  readonly vectorsPerBlock: 0.5 | 1 | 2 | 4 | 8;
  /** Words of side data of a unit of 32 rows: scales, minima, high bits; 0 for none. */
  readonly sideWordCount: number;
  /** What writes each tensor type whose values the format holds exactly. */
  readonly writers: Readonly<Partial<Record<TensorType, UnitWriter>>>;
  /**
   * WGSL: `load_shared`, `load_scales`, `load_weights`, `weight_columns`; of units of 256 columns
   * also what kernels take that go through whole units: `load_unit`, `shared_of` and `scales_of`,
   * or if {@link isSideStreamed} `next_of`, `shared_of` and `unit_scale`.
   */
  readonly text: string;
  /**
   * The same where 8 lanes of a subgroup make a product, if that is different: with
   * `prepare_values`, called before.
   */
  readonly lanesText?: string;
  /** Whether the text also has `weight_codes`, less the scales of 16 columns of a `PackedBlock`. */
  readonly hasHalfScales?: true;
  /**
   * Whether the text has `weight_codes` at the places where they lie in words, and
   * `places_undone`, by which x is multiplied first; with scales of 16 columns they also lack what
   * `START` gives.
   */
  readonly areCodesInPlace?: true;
  /** Whether the text has `load_scale`, of one output, which does less than `load_scales` does. */
  readonly hasOutputScales?: true;
  /** Whether the text has `weight_bytes`, codes around `CENTER`: for products of integers. */
  readonly hasBytes?: true;
  /** Whether kernels that go through units load side data block by block, not at a unit's start. */
  readonly isSideStreamed?: true;
}

/** Rows that one workgroup of `matmul` makes; parts of a weight begin at multiples of it. */
export const GROUP_ROW_COUNT = 32;

/** Columns that one step of `matmul` takes. */
export const BLOCK_COLUMN_COUNT = 32;

/** Vectors from one vector of a row's block to the next. */
export const VECTOR_STRIDE = 8;

/** Where a unit goes: 32 or 256 columns of one row of a group, zero so far. */
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

/** Copies the blocks at byte `at` of `view` that make one unit. Bits move and do not change. */
export type UnitWriter = (view: DataView, at: number, target: UnitTarget) => void;

/** Writes word `index` of the unit's side data that have a word for each row. */
export function putSideWord(target: UnitTarget, index: number, word: number): void {
  target.side[target.sideStart + GROUP_ROW_COUNT * index + target.row] = word;
}

/** Copies 16 bytes for each vector of a block as they are. */
export function writeVectors(
  view: DataView,
  at: number,
  { words, vector }: UnitTarget,
  vectorCount: number,
): void {
  for (let index = 0; index < vectorCount; index++) {
    const word = 4 * (vector + VECTOR_STRIDE * index);
    const byte = at + 16 * index;
    words[word] = view.getUint32(byte, true);
    words[word + 1] = view.getUint32(byte + 4, true);
    words[word + 2] = view.getUint32(byte + 8, true);
    words[word + 3] = view.getUint32(byte + 12, true);
  }
}

/** Words of an f16 for each row of a group, two rows in a word. */
export const HALVES_WORD_COUNT = GROUP_ROW_COUNT / 2;

/** Writes the row's f16, where a unit's side data begin with one of each row. */
export function putHalf({ side, sideStart, row }: UnitTarget, bits: number): void {
  side[sideStart + (row >> 1)] |= bits << (16 * (row & 1));
}

/** Writes blocks of a scale as f16 and `vectorCount` vectors of codes. */
export function scaledCodesWriter(vectorCount: number): UnitWriter {
  return (view, at, target) => {
    putHalf(target, view.getUint16(at, true));
    writeVectors(view, at + 2, target, vectorCount);
  };
}

/**
 * Codes of 5 or 6 bits of 32 columns as that many words, as `weight_fields.wgsl` has them.
 *
 * @param words Gets them; `[bits]`.
 */
export function fieldWords(codes: Uint8Array, bits: 5 | 6, words: Uint32Array): void {
  const fieldCount = Math.floor(32 / bits);
  for (let index = 0; index < bits; index++) {
    let word = 0;
    for (let field = 0; field < fieldCount; field++) {
      word |= codes[index * fieldCount + field] << (bits * field);
    }
    words[index] = word;
  }
  // Bits that are cut off at the upper end are those that another word has.
  const [a, b] = [codes[30], codes[31]];
  words[0] |= a << 30;
  words[1] |= a >> 2 << 30;
  words[2] |= a >> 4 << 30;
  words[3] |= b << 30;
  words[4] |= b >> 2 << 30;
  if (bits === 6) words[5] |= b >> 4 << 30;
  else words[2] |= b >> 4 << 31;
}

/** WGSL: codes of so many bits as words. */
export function fieldsText(bits: 5 | 6): string {
  return joinTexts(constantLines({ CODE_BITS: bits }), fields);
}

/** WGSL: the code that stands for 0. */
export function centerText(center: number): string {
  return `const CENTER = ${center};`;
}

/** WGSL: `bytes_of`. */
export const BYTES: string = bytes;

/** WGSL: `load_shared` of formats whose codes need nothing of the side data. */
export const UNSHARED: string = unshared;

/** The text of a format: what its side data give, then its own texts. */
export function formatText(...texts: readonly string[]): string {
  return joinTexts(scales, ...texts);
}

/** The texts of a format whose codes stand for values: `texts` have `values_of`. */
export function valuesTexts(
  ...texts: readonly string[]
): Required<Pick<WeightFormatSpec, "text" | "lanesText">> {
  return {
    text: formatText(...texts, BYTES, valuesHere),
    lanesText: formatText(...texts, BYTES, valuesOfLanes),
  };
}

/** Texts as one. */
export function joinTexts(...texts: readonly string[]): string {
  return texts.join("\n");
}
