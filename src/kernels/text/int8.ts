/**
 * WGSL constants of int8 records, for the kernels that write or read whole ones.
 *
 * @module
 */

import { SCALE_WORDS } from "../../codec/int8/layout.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import { BLOCK_CONSTANTS } from "./block.ts";

/** Declares `BLOCK_TOKENS`, and `SCALE_WORDS` of a section. */
export const INT8_TEXT: string = constantsPart({ ...BLOCK_CONSTANTS, SCALE_WORDS });
