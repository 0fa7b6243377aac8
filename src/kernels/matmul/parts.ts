/** The texts that are appended to `matmul/rows.wgsl` beside the weight's format, by choice. */

import normNone from "../../../shaders/matmul/parts/norm_none.wgsl" with { type: "text" };
import normRms from "../../../shaders/matmul/parts/norm_rms.wgsl" with { type: "text" };
import outputAdd from "../../../shaders/matmul/parts/output_add.wgsl" with { type: "text" };
import outputCapped from "../../../shaders/matmul/parts/output_capped.wgsl" with { type: "text" };
import outputGelu from "../../../shaders/matmul/parts/output_gelu.wgsl" with { type: "text" };
import outputHeads from "../../../shaders/matmul/parts/output_heads.wgsl" with { type: "text" };
import outputSilu from "../../../shaders/matmul/parts/output_silu.wgsl" with { type: "text" };
import outputStore from "../../../shaders/matmul/parts/output_store.wgsl" with { type: "text" };
import product from "../../../shaders/matmul/parts/product.wgsl" with { type: "text" };
import rows1 from "../../../shaders/matmul/parts/rows_1.wgsl" with { type: "text" };
import rows2 from "../../../shaders/matmul/parts/rows_2.wgsl" with { type: "text" };
import rows4 from "../../../shaders/matmul/parts/rows_4.wgsl" with { type: "text" };
import shareSubgroup from "../../../shaders/matmul/parts/share_subgroup.wgsl" with { type: "text" };
import shareWorkgroup from "../../../shaders/matmul/parts/share_workgroup.wgsl" with {
  type: "text",
};
import { PADDING_SLOT } from "../../core/row.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import { BLOCK_CONSTANTS } from "../text/block.ts";
import { ROW_TEXT } from "../text/row.ts";
import headAppend from "../../../shaders/lib/head_append.wgsl" with { type: "text" };

/** What one workgroup sums. */
export const MATMUL_PRODUCT_TEXT = product;

/** By the number of rows that one workgroup takes together. */
export const MATMUL_ROWS_TEXT = { 1: rows1, 2: rows2, 4: rows4 } as const;

/** How lanes share what they loaded. */
export const MATMUL_SHARE_TEXT = { subgroup: shareSubgroup, workgroup: shareWorkgroup } as const;

/** The norm before the product. */
export const MATMUL_NORM_TEXT = { none: normNone, rms: normRms } as const;

const HEADS_TEXT = constantsPart({ ...BLOCK_CONSTANTS, PADDING_SLOT });

/** What is done with the outputs. */
export const MATMUL_OUTPUT_TEXT = {
  store: outputStore,
  add: outputAdd,
  silu: outputSilu,
  gelu: outputGelu,
  capped: outputCapped,
  heads: [outputHeads, headAppend, ROW_TEXT, HEADS_TEXT].join("\n"),
} as const;
