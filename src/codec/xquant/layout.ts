/**
 * Where everything lies in an XQuant record, and where the codes are that it is read with. Sizes
 * and offsets are 32-bit words. FORMAT.md section 10.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { checkHeads, type HeadShape } from "../raw_tile.ts";
import { KEY, type Side } from "../record.ts";
import { type CodeBits, codeBits, SHRINKS, type XquantProfile } from "./settings.ts";

/** Levels are multiples of 1 / this: with a step of 11 bits their product is exact in f32. */
export const LEVEL_UNITS = 2048;

/** Codes of one side, and the levels that they stand for. */
export interface SideCodes {
  /** Bits of a code. */
  bits: CodeBits;
  /** Largest code: 1 or 3. */
  codeMax: number;
  /** Codes in a word. */
  perWord: number;
  /** Words of the codes of a head. */
  headWords: number;
  /** Level of code 0 in steps: a whole number of {@link LEVEL_UNITS}. */
  base: number;
  /** Steps from one level to the next, as `base`. */
  slope: number;
}

/** Offsets and sizes of records. Immutable. */
export class XquantLayout {
  /** KV heads of the layer. */
  readonly kvHeadCount: number;
  /** Channels per head. */
  readonly headSize: number;
  /** Channels of a side. */
  readonly channelCount: number;
  /** Parts of a record: K heads, then V heads. */
  readonly sectionCount: number;
  /** By side. */
  readonly sides: readonly [SideCodes, SideCodes];
  /** Words of the minima and steps of both sides: a record that has no codes. */
  readonly paramWords: number;
  /** Words of the codes of both sides. */
  readonly codeWords: number;
  /** Words of a record with codes. */
  readonly ownWords: number;

  /**
   * Derives all offsets.
   *
   * @throws {RangeError} if a number is outside the limits of FORMAT.md section 2.
   */
  constructor({ kvHeadCount, headSize }: HeadShape, profile: XquantProfile) {
    checkHeads({ kvHeadCount, headSize });
    this.kvHeadCount = kvHeadCount;
    this.headSize = headSize;
    this.channelCount = kvHeadCount * headSize;
    this.sectionCount = 2 * kvHeadCount;
    const { keyBits, valueBits } = codeBits(profile);
    this.sides = [
      sideCodes(keyBits, headSize, profile.shrink),
      sideCodes(valueBits, headSize, profile.shrink),
    ];
    this.paramWords = kvHeadCount * (headSize + BLOCK_TOKEN_COUNT);
    this.codeWords = kvHeadCount * (this.sides[0].headWords + this.sides[1].headWords);
    this.ownWords = this.paramWords + this.codeWords;
  }

  /** Words of a record. */
  recordWords(hasCodes: boolean): number {
    return hasCodes ? this.ownWords : this.paramWords;
  }

  /**
   * First word of the codes that a record is read with, from the record's own first: behind its
   * steps, or those that end the record before it.
   */
  codeStart(hasCodes: boolean): number {
    return hasCodes ? this.paramWords : -this.codeWords;
  }

  /** First word of the minima and steps of a head: one for each channel of K, each token of V. */
  paramWord(side: Side, head: number): number {
    if (side === KEY) return head * this.headSize;
    return this.kvHeadCount * this.headSize + head * BLOCK_TOKEN_COUNT;
  }

  /** First word of the codes of a head, from the first word of codes. */
  codeWord(side: Side, head: number): number {
    const [keys, values] = this.sides;
    if (side === KEY) return head * keys.headWords;
    return this.kvHeadCount * keys.headWords + head * values.headWords;
  }

  /** Word and first bit of a code of a head; the word from the first of its codes. */
  codePlace(side: Side, channel: number, token: number): { word: number; bit: number } {
    const { perWord, bits } = this.sides[side];
    const part = Math.floor(channel / perWord);
    const word = side === KEY
      ? part * BLOCK_TOKEN_COUNT + token
      : token * (this.headSize / perWord) + part;
    return { word, bit: bits * (channel % perWord) };
  }
}

function sideCodes(bits: CodeBits, headSize: number, shrink: number): SideCodes {
  const perWord = 32 / bits;
  const codeMax = 2 ** bits - 1;
  const eta = SHRINKS[bits][shrink];
  return {
    bits,
    codeMax,
    perWord,
    headWords: BLOCK_TOKEN_COUNT * headSize / perWord,
    base: Math.round(LEVEL_UNITS * eta * codeMax),
    slope: Math.round(LEVEL_UNITS * (1 - 2 * eta)),
  };
}
