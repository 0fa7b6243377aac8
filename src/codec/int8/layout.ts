/**
 * Where everything lies in an int8 record: all of them have the same size. Sizes and offsets are
 * 32-bit words. FORMAT.md section 8.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { checkHeads, type HeadShape } from "../raw_tile.ts";
import { KEY, type Side } from "../record.ts";

/** Words of the scales of a section: an f16 for each token. */
export const SCALE_WORDS: number = BLOCK_TOKEN_COUNT / 2;

/** Offsets and sizes of a record. Immutable. */
export class Int8Layout {
  /** KV heads of the layer. */
  readonly kvHeadCount: number;
  /** Channels per head. */
  readonly headSize: number;
  /** Channels of a side. */
  readonly channelCount: number;
  /** Sections of a record: K heads, then V heads. */
  readonly sectionCount: number;
  /** Words of a section: its scales, then a byte for each code. */
  readonly sectionWords: number;
  /** Words of a record. */
  readonly recordWords: number;

  /**
   * Derives all offsets.
   *
   * @throws {RangeError} if a number is outside the limits of FORMAT.md section 2.
   */
  constructor({ kvHeadCount, headSize }: HeadShape) {
    checkHeads({ kvHeadCount, headSize });
    this.kvHeadCount = kvHeadCount;
    this.headSize = headSize;
    this.channelCount = kvHeadCount * headSize;
    this.sectionCount = 2 * kvHeadCount;
    this.sectionWords = SCALE_WORDS + headSize * BLOCK_TOKEN_COUNT / 4;
    this.recordWords = this.sectionCount * this.sectionWords;
  }

  /** First word of a section. */
  sectionWord(side: Side, head: number): number {
    return (side * this.kvHeadCount + head) * this.sectionWords;
  }

  /**
   * Where a code lies, counted in bytes from its section's codes: K by 8 channels, V by tokens, as
   * in a raw tile.
   */
  codeByte(side: Side, channel: number, token: number): number {
    if (side === KEY) return ((channel >> 3) * BLOCK_TOKEN_COUNT + token) * 8 + (channel & 7);
    return token * this.headSize + channel;
  }
}
