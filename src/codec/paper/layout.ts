/**
 * Where everything lies in a layer record: 64 tokens of one layer, K and V of all heads, packed.
 * Sizes and offsets are 32-bit words unless a name says otherwise. FORMAT.md section 6.
 *
 * @module
 */

import {
  alignUp,
  bitsFor,
  BLOCK_TOKEN_COUNT,
  divExact,
  HEAD_SIZE_MAX,
  RECORD_ALIGN_WORDS,
} from "../../core/shapes.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import type { PaperProfile } from "./settings.ts";

/** Widest code: a code is one byte before packing. FORMAT.md section 6.6. */
export const CODE_BITS_MAX = 8;

/** What fixes the layout of a record. */
export interface PaperLayoutOptions {
  /** KV heads of the layer, at least 1. */
  kvHeadCount: number;
  /** Channels per head: a multiple of 32, at most 512. */
  headSize: number;
  /** Tokens per pack: 4, 8, 16 or 32. */
  packSize: number;
  /** Bits of a K code, 1 to 8; {@link codeBits} of the profile's `keyRel`. */
  keyBits: number;
  /** Bits of a V code, 1 to 8. */
  valueBits: number;
}

/**
 * Bits that hold every code of a step that is `rel` of the token's range. The largest code is at
 * most `floor(range / step) + 1`; the step is rounded to 11 bits (at most 2^-11 smaller) and the
 * two f32 products that round to a code are within 1/128 of the exact ones. FORMAT.md section 6.2.
 *
 * @param rel Taken as f32, within [1/254, 0.5]; smaller ones give {@link CODE_BITS_MAX}.
 */
export function codeBits(rel: number): number {
  const codeMax = Math.floor((1 / Math.fround(rel)) * (1 + 2 ** -10) + 1 / 64) + 1;
  return Math.min(CODE_BITS_MAX, bitsFor(codeMax));
}

/** Offsets and sizes of a record. Immutable. */
export class PaperLayout {
  /** KV heads of the layer. */
  readonly kvHeadCount: number;
  /** Channels per head. */
  readonly headSize: number;
  /** Tokens per pack. */
  readonly packSize: number;
  /** Packs along the tokens: 64 / packSize. */
  readonly rowCount: number;
  /** Bits of a K code. */
  readonly keyBits: number;
  /** Bits of a V code. */
  readonly valueBits: number;
  /** Head sections of a record: K heads, then V heads. Also the words of the section table. */
  readonly sectionCount: number;
  /** First word of the 64 token parameters of K. */
  readonly keyParamsWord: number;
  /** First word of the 64 token parameters of V. */
  readonly valueParamsWord: number;
  /** First word of the first section; all before it has a fixed size. */
  readonly sectionsWord: number;
  /** Words of one bit plane of widths: a bit per channel. */
  readonly planeWords: number;

  /**
   * Derives all offsets.
   *
   * @throws {RangeError} if a number is outside the limits of FORMAT.md section 6.6.
   */
  constructor(options: PaperLayoutOptions) {
    checkOptions(options);
    this.kvHeadCount = options.kvHeadCount;
    this.headSize = options.headSize;
    this.packSize = options.packSize;
    this.rowCount = BLOCK_TOKEN_COUNT / options.packSize;
    this.keyBits = options.keyBits;
    this.valueBits = options.valueBits;
    this.sectionCount = 2 * options.kvHeadCount;
    this.keyParamsWord = this.sectionCount;
    this.valueParamsWord = this.keyParamsWord + BLOCK_TOKEN_COUNT;
    this.sectionsWord = this.valueParamsWord + BLOCK_TOKEN_COUNT;
    this.planeWords = divExact(options.headSize, 32);
  }

  /** The layout of a packing profile for a model's heads. */
  static forProfile(
    shape: { kvHeadCount: number; headSize: number },
    profile: PaperProfile,
  ): PaperLayout {
    return new PaperLayout({
      kvHeadCount: shape.kvHeadCount,
      headSize: shape.headSize,
      packSize: profile.packSize,
      keyBits: codeBits(profile.keyRel),
      valueBits: codeBits(profile.valueRel),
    });
  }

  /** Side of a section. */
  sideOf(section: number): Side {
    return section < this.kvHeadCount ? KEY : VALUE;
  }

  /** Bits of a code, and of a minimum. */
  bits(side: Side): number {
    return side === KEY ? this.keyBits : this.valueBits;
  }

  /** Bits of a width, which is 0 to `bits(side)`: bit planes per row of packs. */
  widthBits(side: Side): number {
    return bitsFor(this.bits(side));
  }

  /** First word of the token parameters of a side. */
  paramsWord(side: Side): number {
    return side === KEY ? this.keyParamsWord : this.valueParamsWord;
  }

  /** Word, from a section's start, of plane `plane` of the widths of row `row`. */
  planeWord(side: Side, row: number, plane: number): number {
    return (row * this.widthBits(side) + plane) * this.planeWords;
  }

  /** Words of one row of minima. */
  minimaRowWords(side: Side): number {
    return this.planeWords * this.bits(side);
  }

  /** First word, from a section's start, of the minima: the words of the widths. */
  minimaWord(side: Side): number {
    return this.rowCount * this.widthBits(side) * this.planeWords;
  }

  /** First word, from a section's start, of the payload: the fixed words of a section. */
  payloadWord(side: Side): number {
    return this.minimaWord(side) + this.rowCount * this.minimaRowWords(side);
  }

  /** Most payload words of a section: every pack at full width. */
  payloadWordsMax(side: Side): number {
    return BLOCK_TOKEN_COUNT * this.planeWords * this.bits(side);
  }

  /** Words of a record with no payload, before padding: section table, parameters, side data. */
  get fixedWords(): number {
    const perHead = this.payloadWord(KEY) + this.payloadWord(VALUE);
    return this.sectionsWord + this.kvHeadCount * perHead;
  }

  /** Words of a record with `payloadWords` in all its sections together, padding included. */
  recordWords(payloadWords: number): number {
    return alignUp(this.fixedWords + payloadWords, RECORD_ALIGN_WORDS);
  }

  /** Most words a record can take. */
  get recordWordsMax(): number {
    const perHead = this.payloadWordsMax(KEY) + this.payloadWordsMax(VALUE);
    return this.recordWords(this.kvHeadCount * perHead);
  }

  /** Fewest words a record can take: every pack constant. */
  get recordWordsMin(): number {
    return this.recordWords(0);
  }
}

function checkOptions(options: PaperLayoutOptions): void {
  const { kvHeadCount, headSize, packSize, keyBits, valueBits } = options;
  const refuse = (what: string) => {
    throw new RangeError(`Cannot lay out a record: ${what}`);
  };
  if (!Number.isInteger(kvHeadCount) || kvHeadCount < 1 || kvHeadCount > 256) {
    refuse(`kvHeadCount is ${kvHeadCount}, must be 1 to 256`);
  }
  if (!(headSize >= 32 && headSize <= HEAD_SIZE_MAX && headSize % 32 === 0)) {
    refuse(`headSize is ${headSize}, must be a multiple of 32, at most ${HEAD_SIZE_MAX}`);
  }
  if (![4, 8, 16, 32].includes(packSize)) {
    refuse(`packSize is ${packSize}, must be 4, 8, 16 or 32`);
  }
  for (const bits of [keyBits, valueBits]) {
    if (!Number.isInteger(bits) || bits < 1 || bits > CODE_BITS_MAX) {
      refuse(`code bits are ${bits}, must be 1 to ${CODE_BITS_MAX}`);
    }
  }
}
