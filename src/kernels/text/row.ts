/**
 * WGSL text of rows and read lists, for the kernels that are given them.
 *
 * @module
 */

import rowText from "../../../shaders/lib/row.wgsl" with { type: "text" };
import reachText from "../../../shaders/lib/row_reach.wgsl" with { type: "text" };

/** Text to append to a kernel that reads `Row` or `Entry`; src/core/row.ts writes them. */
export const ROW_TEXT = rowText;

/** The same and `hidden_count(row)`. Needs `BLOCK_TOKENS`. */
export const READING_ROW_TEXT: string = [rowText, reachText].join("\n");
