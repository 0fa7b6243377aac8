/**
 * WGSL text of rows and read lists, for the kernels that are given them.
 *
 * @module
 */

import rowText from "../../../shaders/lib/row.wgsl" with { type: "text" };

/** Text to append to a kernel that reads `Row` or `Entry`; src/core/row.ts writes them. */
export const ROW_TEXT = rowText;
