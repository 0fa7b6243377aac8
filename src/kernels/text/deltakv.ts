/**
 * WGSL constants of DeltaKV records, for the kernels that make or read them.
 *
 * @module
 */

import type { DeltaKvLayout } from "../../codec/deltakv/layout.ts";
import { KEY, VALUE } from "../../codec/record.ts";
import { BLOCK_CONSTANTS } from "./block.ts";

/** Heads, packs, centres, and where a record's parts begin. */
export function deltaKvConstants(layout: DeltaKvLayout): Record<string, number> {
  const { paper } = layout;
  return {
    ...BLOCK_CONSTANTS,
    KV_HEAD_COUNT: layout.kvHeadCount,
    HEAD_SIZE: layout.headSize,
    PACK_SIZE: paper.packSize,
    KEY_BITS: paper.keyBits,
    VALUE_BITS: paper.valueBits,
    KEY_WIDTH_BITS: paper.widthBits(KEY),
    VALUE_WIDTH_BITS: paper.widthBits(VALUE),
    STRIDE: layout.stride,
    CENTRE_COUNT: layout.centreCount,
    NEIGHBOUR_COUNT: layout.neighbourCount,
    MEAN_SHIFT: 16 + Math.log2(layout.neighbourCount),
    FLAG_WORDS: layout.flagWords,
    TABLE_WORD: layout.tableWord(0),
    TABLE_WORDS: layout.tableWords,
  };
}
