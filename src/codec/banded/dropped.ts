/**
 * Channels that are dropped from the sections of a record: neither digits nor band indexes of them
 * are stored. FORMAT.md section 7.5.
 *
 * @module
 */

import { bitCount } from "../../core/bit_count.ts";
import { divCeil } from "../../core/shapes.ts";
import { BAND_INDEX_BITS } from "./band.ts";
import { PART_CHANNEL_COUNT, PLANE_WORDS, ROW_COUNT } from "./layout.ts";

/** Code of every place of a dropped channel; the quantiser gives it to none. */
export const DROPPED_CODE = 0;
/** In the section table: the section begins with a word of the channels that it has. */
export const DROPS_FLAG = 0x80000000;
/** Bits of a measured size that are words of payload; dropped channels are counted above. */
export const SIZE_PAYLOAD_BITS = 16;

/** Whether a channel is dropped, by its codes in a block. */
export function isDropped(codes: Uint8Array): boolean {
  return codes.length > 0 && codes.every((code) => code === DROPPED_CODE);
}

/** Words of a section before its units: which channels it has, if not all, and band indexes. */
export function sectionHeadWords(droppedCount: number): number {
  if (droppedCount === 0) return PLANE_WORDS;
  const indexBits = ROW_COUNT * BAND_INDEX_BITS * (PART_CHANNEL_COUNT - droppedCount);
  return 1 + divCeil(indexBits, 32);
}

/** A section's size as kernels measure it. */
export function sectionSize(payloadWords: number, droppedCount: number): number {
  return payloadWords | (droppedCount << SIZE_PAYLOAD_BITS);
}

/**
 * Words that a section of a size takes beyond those of one with all channels and no payload; below
 * 0 if what is dropped is more than its payload.
 */
export function extraWords(size: number): number {
  const payloadWords = size & ((1 << SIZE_PAYLOAD_BITS) - 1);
  return sectionHeadWords(size >>> SIZE_PAYLOAD_BITS) - PLANE_WORDS + payloadWords;
}

/** How a section begins. */
export interface SectionHead {
  /** Its words, from the first on; they may go on behind it. */
  words: Uint32Array;
  /** Bit `c`: whether it has channel `c`. */
  channels: number;
  /** Bit of the first band index; bits of the others follow by row, bit and channel. */
  indexBit: number;
  /** Bit of the first unit. */
  unitBit: number;
}

/** Reads how section `index` of a record begins. */
export function sectionHead(record: Uint32Array, index: number): SectionHead {
  const entry = record[index];
  if ((entry & DROPS_FLAG) === 0) return wholeSection(record.subarray(entry));
  const words = record.subarray(entry & ~DROPS_FLAG);
  const channels = words[0];
  const droppedCount = PART_CHANNEL_COUNT - bitCount(channels);
  return { words, channels, indexBit: 32, unitBit: 32 * sectionHeadWords(droppedCount) };
}

/** A section that has all channels. */
export function wholeSection(words: Uint32Array): SectionHead {
  return { words, channels: 0xffffffff, indexBit: 0, unitBit: 32 * PLANE_WORDS };
}
