/**
 * Where everything lies in a banded record. Sizes and offsets are 32-bit words. FORMAT.md section
 * 7.5.
 *
 * @module
 */

import { alignUp, BLOCK_TOKEN_COUNT, divExact, RECORD_ALIGN_WORDS } from "../../core/shapes.ts";
import { checkHeads } from "../raw_tile.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import { BAND_INDEX_BITS } from "./band.ts";
import { UNIT_TOKEN_COUNT } from "./levels.ts";

/** Channels of a section: a bit plane of them is a word. */
export const PART_CHANNEL_COUNT = 32;
/** Packs along the tokens. */
export const ROW_COUNT: number = BLOCK_TOKEN_COUNT / UNIT_TOKEN_COUNT;
/** Words of the band indexes of a section. */
export const PLANE_WORDS: number = ROW_COUNT * BAND_INDEX_BITS;
/** Words of the token steps: a byte per token. */
export const TOKEN_STEP_WORDS: number = BLOCK_TOKEN_COUNT / 4;
/** Most sinks of a sequence. */
export const SINK_COUNT_MAX = 16;
/** Most payload words of a section: every pack in the full band. */
export const PAYLOAD_WORDS_MAX: number = PART_CHANNEL_COUNT * BLOCK_TOKEN_COUNT / 4;

/** One section of a record. */
export interface SectionPlace {
  /** K or V. */
  side: Side;
  /** KV head. */
  head: number;
  /** Which 32 channels of the head. */
  part: number;
}

/** Offsets and sizes of a record. Immutable. */
export class BandedLayout {
  /** KV heads of the layer. */
  readonly kvHeadCount: number;
  /** Channels per head. */
  readonly headSize: number;
  /** Tokens at the start of a sequence that its first block keeps raw. */
  readonly sinkCount: number;
  /** Sections of a head and side. */
  readonly partCount: number;
  /** Sections of a record, also the words of the section table. */
  readonly sectionCount: number;
  /** First word of the token steps. */
  readonly stepsWord: number;
  /** First word of the sinks, in a block that has them. */
  readonly sinksWord: number;

  /**
   * Derives all offsets.
   *
   * @throws {RangeError} if a number is outside the limits of FORMAT.md section 7.6.
   */
  constructor(shape: { kvHeadCount: number; headSize: number; sinkCount: number }) {
    const { kvHeadCount, headSize, sinkCount } = shape;
    checkHeads({ kvHeadCount, headSize });
    if (!(Number.isInteger(sinkCount) && sinkCount >= 0 && sinkCount <= SINK_COUNT_MAX)) {
      throw new RangeError(
        `Cannot lay out a record: sinkCount is ${sinkCount}, must be 0 to ${SINK_COUNT_MAX}`,
      );
    }
    this.kvHeadCount = kvHeadCount;
    this.headSize = headSize;
    this.sinkCount = sinkCount;
    this.partCount = divExact(headSize, PART_CHANNEL_COUNT);
    this.sectionCount = 2 * kvHeadCount * this.partCount;
    this.stepsWord = this.sectionCount;
    this.sinksWord = this.stepsWord + TOKEN_STEP_WORDS;
  }

  /** Channels of a side. */
  get channelCount(): number {
    return this.kvHeadCount * this.headSize;
  }

  /** Words of the sinks of a block: K and V of each as f16 pairs. */
  sinkWords(hasSinks: boolean): number {
    return hasSinks ? this.sinkCount * this.channelCount : 0;
  }

  /** First word of the first section. */
  sectionsWord(hasSinks: boolean): number {
    return this.sinksWord + this.sinkWords(hasSinks);
  }

  /** Words of a record with no payload, before padding. */
  fixedWords(hasSinks: boolean): number {
    return this.sectionsWord(hasSinks) + this.sectionCount * PLANE_WORDS;
  }

  /** Words of a record with `payloadWords` in all its sections together, padding included. */
  recordWords(payloadWords: number, hasSinks: boolean): number {
    return alignUp(this.fixedWords(hasSinks) + payloadWords, RECORD_ALIGN_WORDS);
  }

  /** Most words a record can take. */
  get recordWordsMax(): number {
    return this.recordWords(this.sectionCount * PAYLOAD_WORDS_MAX, true);
  }

  /** Fewest words a record can take. */
  get recordWordsMin(): number {
    return this.recordWords(0, false);
  }

  /** Index of a section in the table: by side, head, part. */
  sectionIndex({ side, head, part }: SectionPlace): number {
    return (side * this.kvHeadCount + head) * this.partCount + part;
  }

  /** The section of an index. */
  sectionPlace(index: number): SectionPlace {
    const row = Math.floor(index / this.partCount);
    const side = row < this.kvHeadCount ? KEY : VALUE;
    return { side, head: row % this.kvHeadCount, part: index % this.partCount };
  }

  /** First of the 32 channels of a section, counted over all heads. */
  firstChannel({ head, part }: SectionPlace): number {
    return head * this.headSize + part * PART_CHANNEL_COUNT;
  }

  /** The row of packs that has both tokens and absent places in a block with sinks; 8 for none. */
  get cutRow(): number {
    const packed = this.packedTokenCount(true);
    return packed % UNIT_TOKEN_COUNT === 0 ? ROW_COUNT : Math.floor(packed / UNIT_TOKEN_COUNT);
  }

  /** Tokens that a block packs: all 64, or those after the sinks. */
  packedTokenCount(hasSinks: boolean): number {
    return BLOCK_TOKEN_COUNT - (hasSinks ? this.sinkCount : 0);
  }
}
