/** The texts that are appended to `matmul/rows.wgsl` beside the weight's format, by choice. */

import bySlices from "../../../shaders/matmul/parts/by_slices.wgsl" with { type: "text" };
import bySubgroup from "../../../shaders/matmul/parts/by_subgroup.wgsl" with { type: "text" };
import normNone from "../../../shaders/matmul/parts/norm_none.wgsl" with { type: "text" };
import normRms from "../../../shaders/matmul/parts/norm_rms.wgsl" with { type: "text" };
import outputAdd from "../../../shaders/matmul/parts/output_add.wgsl" with { type: "text" };
import outputAddBiased from "../../../shaders/matmul/parts/output_add_biased.wgsl" with {
  type: "text",
};
import outputCapped from "../../../shaders/matmul/parts/output_capped.wgsl" with { type: "text" };
import outputGelu from "../../../shaders/matmul/parts/output_gelu.wgsl" with { type: "text" };
import outputClamped from "../../../shaders/matmul/parts/output_clamped.wgsl" with { type: "text" };
import outputHeads from "../../../shaders/matmul/parts/output_heads.wgsl" with { type: "text" };
import outputSilu from "../../../shaders/matmul/parts/output_silu.wgsl" with { type: "text" };
import outputStore from "../../../shaders/matmul/parts/output_store.wgsl" with { type: "text" };
import product from "../../../shaders/matmul/parts/product.wgsl" with { type: "text" };
import { PADDING_SLOT } from "../../core/row.ts";
import { constantsPart, expandTemplate } from "../../gpu/wgsl_template.ts";
import { BLOCK_CONSTANTS } from "../text/block.ts";
import { ROW_TEXT } from "../text/row.ts";
import headAppend from "../../../shaders/lib/head_append.wgsl" with { type: "text" };

const MATMUL_WAY_TEXT = { subgroup: bySubgroup, slices: bySlices } as const;

/** What one workgroup sums for so many rows of x, and which lanes load what. */
export function matmulProductText(
  tokenCount: 1 | 2 | 4,
  way: keyof typeof MATMUL_WAY_TEXT,
): string {
  const counts = {
    token: tokenCount,
    one_token: tokenCount === 1 ? 1 : 0,
    two_tokens: tokenCount === 2 ? 1 : 0,
    column: 4,
    output: 4,
    part: 8,
  };
  const text = expandTemplate([product, MATMUL_WAY_TEXT[way]].join("\n"), counts);
  return [text, constantsPart({ TOKEN_COUNT: tokenCount })].join("\n");
}

/** The norm before the product. */
export const MATMUL_NORM_TEXT = { none: normNone, rms: normRms } as const;

const HEADS_TEXT = constantsPart({ ...BLOCK_CONSTANTS, PADDING_SLOT });

/** What is done with the outputs. */
export const MATMUL_OUTPUT_TEXT = {
  store: outputStore,
  add: outputAdd,
  addBiased: outputAddBiased,
  silu: outputSilu,
  gelu: outputGelu,
  capped: outputCapped,
  clamped: outputClamped,
  heads: [outputHeads, headAppend, ROW_TEXT, HEADS_TEXT].join("\n"),
} as const;
