/**
 * The formats in which weights lie on the device: how many vectors and words each takes, and the
 * text that expands it in registers. `weight_layout.ts` says where they lie.
 *
 * @module
 */

import bf16 from "../../shaders/lib/weight_bf16.wgsl" with { type: "text" };
import f16 from "../../shaders/lib/weight_f16.wgsl" with { type: "text" };
import f32 from "../../shaders/lib/weight_f32.wgsl" with { type: "text" };
import kScales from "../../shaders/lib/weight_k_scales.wgsl" with { type: "text" };
import q4 from "../../shaders/lib/weight_q4.wgsl" with { type: "text" };
import q5 from "../../shaders/lib/weight_q5.wgsl" with { type: "text" };
import q6k from "../../shaders/lib/weight_q6k.wgsl" with { type: "text" };
import q8 from "../../shaders/lib/weight_q8.wgsl" with { type: "text" };
import sideNone from "../../shaders/lib/weight_side_none.wgsl" with { type: "text" };
import sideQ4k from "../../shaders/lib/weight_side_q4k.wgsl" with { type: "text" };
import sideQ5 from "../../shaders/lib/weight_side_q5.wgsl" with { type: "text" };
import sideQ5k from "../../shaders/lib/weight_side_q5k.wgsl" with { type: "text" };
import sideQ6k from "../../shaders/lib/weight_side_q6k.wgsl" with { type: "text" };
import sideWords from "../../shaders/lib/weight_side_words.wgsl" with { type: "text" };

/** One format. */
export interface WeightFormatSpec {
  /** Columns whose side data lie together: 32, or 256 of a super-block. */
  unitColumnCount: 32 | 256;
  /** Vectors of 4 words that hold the codes of 32 columns of a row. */
  vectorsPerBlock: 1 | 2 | 4 | 8;
  /** Words of side data of a unit of 32 rows: scales, minima, high bits; 0 for none. */
  sideWordCount: number;
  /** WGSL: `load_shared`, `load_scales`, `load_weights`, `weight_columns`. */
  text: string;
}

/** Plain floats. */
function plain(vectorsPerBlock: 4 | 8, text: string): WeightFormatSpec {
  const unitColumnCount = 32;
  return { unitColumnCount, vectorsPerBlock, sideWordCount: 0, text: join(sideNone, text) };
}

function join(...texts: string[]): string {
  return texts.join("\n");
}

/** All formats. */
export const WEIGHT_FORMATS = {
  /** Codes of 4 bits; scale and minimum for 32 columns. */
  q4: {
    unitColumnCount: 32,
    vectorsPerBlock: 1,
    sideWordCount: 32,
    text: join(sideWords, q4),
  },
  /** Codes of 5 bits; scale and minimum for 32 columns. */
  q5: {
    unitColumnCount: 32,
    vectorsPerBlock: 1,
    sideWordCount: 2 * 32,
    text: join(sideQ5, q5),
  },
  /** Signed codes of 8 bits; scale and minimum for 32 columns. */
  q8: {
    unitColumnCount: 32,
    vectorsPerBlock: 2,
    sideWordCount: 32,
    text: join(sideWords, q8),
  },
  /** Codes of 4 bits; scales and minima of 6 bits for 32 columns, two of f16 for 256. */
  q4k: {
    unitColumnCount: 256,
    vectorsPerBlock: 1,
    sideWordCount: 4 * 32,
    text: join(sideQ4k, kScales, q4),
  },
  /** Codes of 5 bits; scales and minima of 6 bits for 32 columns, two of f16 for 256. */
  q5k: {
    unitColumnCount: 256,
    vectorsPerBlock: 1,
    sideWordCount: (4 + 8) * 32,
    text: join(sideQ5k, kScales, q5),
  },
  /** Codes of 6 bits around 32; scales of 8 bits for 16 columns, one of f16 for 256. */
  q6k: {
    unitColumnCount: 256,
    vectorsPerBlock: 1,
    sideWordCount: 16 + (4 + 16) * 32,
    text: join(sideQ6k, q6k),
  },
  f16: plain(4, f16),
  bf16: plain(4, bf16),
  f32: plain(8, f32),
} as const satisfies Record<string, WeightFormatSpec>;

/** Name of a format. */
export type WeightFormat = keyof typeof WEIGHT_FORMATS;
