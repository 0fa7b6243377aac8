/** The texts that are appended to `matmul/rows.wgsl` beside the weight's format, by choice. */

import byCodes from "../../../shaders/matmul/parts/by_codes.wgsl" with { type: "text" };
import bySlices from "../../../shaders/matmul/parts/by_slices.wgsl" with { type: "text" };
import codesTile from "../../../shaders/matmul/parts/codes_tile.wgsl" with { type: "text" };
import dotApart from "../../../shaders/matmul/parts/dot_apart.wgsl" with { type: "text" };
import dotPacked from "../../../shaders/matmul/parts/dot_packed.wgsl" with { type: "text" };
import slices from "../../../shaders/matmul/parts/slices.wgsl" with { type: "text" };
import bySubgroup from "../../../shaders/matmul/parts/by_subgroup.wgsl" with { type: "text" };
import clamped from "../../../shaders/matmul/parts/activation_clamped.wgsl" with { type: "text" };
import gelu from "../../../shaders/matmul/parts/activation_gelu.wgsl" with { type: "text" };
import silu from "../../../shaders/matmul/parts/activation_silu.wgsl" with { type: "text" };
import normNone from "../../../shaders/matmul/parts/norm_none.wgsl" with { type: "text" };
import normRms from "../../../shaders/matmul/parts/norm_rms.wgsl" with { type: "text" };
import outputAdd from "../../../shaders/matmul/parts/output_add.wgsl" with { type: "text" };
import outputAddBiased from "../../../shaders/matmul/parts/output_add_biased.wgsl" with {
  type: "text",
};
import outputCapped from "../../../shaders/matmul/parts/output_capped.wgsl" with { type: "text" };
import outputGated from "../../../shaders/matmul/parts/output_gated.wgsl" with { type: "text" };
import outputHeads from "../../../shaders/matmul/parts/output_heads.wgsl" with { type: "text" };
import outputPairs from "../../../shaders/matmul/parts/output_pairs.wgsl" with { type: "text" };
import outputStore from "../../../shaders/matmul/parts/output_store.wgsl" with { type: "text" };
import scaleOfOutputs from "../../../shaders/matmul/parts/scale_of_outputs.wgsl" with {
  type: "text",
};
import product from "../../../shaders/matmul/parts/product.wgsl" with { type: "text" };
import { PADDING_SLOT } from "../../core/row.ts";
import { divCeil, divExact } from "../../core/shapes.ts";
import { constantsPart, expandTemplate } from "../../gpu/wgsl_template.ts";
import { BLOCK_CONSTANTS } from "../text/block.ts";
import { WEIGHT_FORMATS, type WeightFormat } from "../weight_formats.ts";
import type { WeightFormatSpec } from "../weight_formats/spec.ts";
import { ROW_TEXT } from "../text/row.ts";
import headAppend from "../../../shaders/lib/head_append.wgsl" with { type: "text" };

const MATMUL_WAY_TEXT = {
  subgroup: bySubgroup,
  slices: [bySlices, slices].join("\n"),
  codes: [byCodes, slices].join("\n"),
} as const;

/** The scale of one output, where the format has no text of its own for it. */
export const MATMUL_SCALE_TEXT: string = scaleOfOutputs;

/** How four products of bytes are summed; both give the same integer. */
export const MATMUL_DOT_TEXT = { packed: dotPacked, apart: dotApart } as const;

/** Rows of x that are numbers of one vector. */
const SET_ROW_COUNT_MAX = 4;

/** How rows of x that are taken together make up sets: `set`, of `token` rows. */
export function rowSets(rowCount: number): { set: number; token: number } {
  const set = divCeil(rowCount, SET_ROW_COUNT_MAX);
  return { set, token: rowCount / set };
}

/**
 * What one workgroup sums for so many rows of x, which lanes load what, and the format.
 *
 * @param rowCount 1, 2 or 4; with way `subgroup` also 8.
 */
export function matmulProductText(
  rowCount: number,
  way: keyof typeof MATMUL_WAY_TEXT,
  format: WeightFormat,
): string {
  const spec: WeightFormatSpec = WEIGHT_FORMATS[format];
  const { set: setCount, token: tokenCount } = rowSets(rowCount);
  const counts = {
    token: tokenCount,
    set: setCount,
    one_token: tokenCount === 1 ? 1 : 0,
    two_tokens: tokenCount === 2 ? 1 : 0,
    column: 4,
    output: 4,
    part: 8,
    codes: way === "codes" ? 1 : 0,
    super_block: spec.unitColumnCount === 256 ? 1 : 0,
    streamed: spec.isSideStreamed ? 1 : 0,
    values: spec.lanesText === undefined ? 0 : 1,
    half_scales: spec.hasHalfScales ? 1 : 0,
    in_place: spec.areCodesInPlace ? 1 : 0,
    half: 2,
    quarter: 4,
  };
  const text = expandTemplate([product, MATMUL_WAY_TEXT[way]].join("\n"), counts);
  const ofFormat = way === "subgroup" ? spec.lanesText ?? spec.text : spec.text;
  return [text, constantsPart({ SET_COUNT: setCount, TOKEN_COUNT: tokenCount }), ofFormat].join(
    "\n",
  );
}

/** Rows of x from one of a thread to the next, in tiles of codes. */
const CODES_ROW_STEP = 16;

/**
 * A tile of products of codes: its main text, what it sums, and the format.
 *
 * @param source Has a marker for the rows of x of a thread.
 * @param rowCount Of x: 16, 32 or 64.
 */
export function codesTileText(source: string, rowCount: number, format: WeightFormat): string {
  const spec: WeightFormatSpec = WEIGHT_FORMATS[format];
  const counts = {
    token: divExact(rowCount, CODES_ROW_STEP),
    output: 4,
    half: 2,
    quarter: 4,
    half_scales: spec.hasHalfScales ? 1 : 0,
  };
  const texts = [source, codesTile].map((text) => expandTemplate(text, counts));
  return [...texts, constantsPart({ TOKEN_COUNT: rowCount }), spec.text].join("\n");
}

/** The norm before the product. */
export const MATMUL_NORM_TEXT = { none: normNone, rms: normRms } as const;

const HEADS_TEXT = constantsPart({ ...BLOCK_CONSTANTS, PADDING_SLOT });

const ACTIVATION_TEXT = { silu, gelu, clamped } as const;

/** What is done with a gate and what it gates. */
export type Activation = keyof typeof ACTIVATION_TEXT;

/** The outputs are gates; what they gate is there already. */
export function matmulGatedText(activation: Activation): string {
  return [ACTIVATION_TEXT[activation], outputGated].join("\n");
}

/** What is done with the outputs. */
export const MATMUL_OUTPUT_TEXT = {
  store: outputStore,
  add: outputAdd,
  addBiased: outputAddBiased,
  silu: [silu, outputPairs].join("\n"),
  gelu: [gelu, outputPairs].join("\n"),
  clamped: [clamped, outputPairs].join("\n"),
  capped: outputCapped,
  heads: [outputHeads, headAppend, ROW_TEXT, HEADS_TEXT].join("\n"),
} as const;
