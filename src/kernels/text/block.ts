/**
 * WGSL constants of blocks, for the kernels that count their tokens.
 *
 * @module
 */

import { CHANNEL_CODE_WORDS } from "../../codec/scratch.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";

/** Of every kernel that reads or writes blocks. */
export const BLOCK_CONSTANTS = { BLOCK_TOKENS: BLOCK_TOKEN_COUNT };

/** Declares {@link BLOCK_CONSTANTS}, to be appended to a kernel without other constants. */
export const BLOCK_TEXT: string = constantsPart(BLOCK_CONSTANTS);

/** The same, and `CODE_WORDS`: words of one channel's codes in scratch. */
export const SCRATCH_TEXT: string = constantsPart({
  ...BLOCK_CONSTANTS,
  CODE_WORDS: CHANNEL_CODE_WORDS,
});

/** Of every kernel that reads or writes scratch: `[entry][store]`, then as its codec says. */
export function scratchConstants(
  { kvHeadCount, headSize }: { kvHeadCount: number; headSize: number },
  storeCount: number,
): Record<"KV_HEAD_COUNT" | "HEAD_SIZE" | "STORE_COUNT", number> {
  return { KV_HEAD_COUNT: kvHeadCount, HEAD_SIZE: headSize, STORE_COUNT: storeCount };
}
