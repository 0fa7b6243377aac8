/**
 * Where everything lies in a DeltaKV record: a head, then a paper record. FORMAT.md section 11.
 * Sizes and offsets are 32-bit words unless a name says otherwise.
 *
 * @module
 */

import { alignUp, BLOCK_TOKEN_COUNT, divCeil, RECORD_ALIGN_WORDS } from "../../core/shapes.ts";
import { PaperLayout } from "../paper/layout.ts";
import type { HeadShape } from "../raw_tile.ts";
import type { DeltaKvProfile } from "./settings.ts";

/** What is added to the first section's size of a record that has a table. */
export const HAS_TABLE = 2 ** 30;

/** Offsets and sizes of a record. Immutable. */
export class DeltaKvLayout implements HeadShape {
  /** KV heads of the layer. */
  readonly kvHeadCount: number;
  /** Channels per head. */
  readonly headSize: number;
  /** Of the paper record behind the head. */
  readonly paper: PaperLayout;
  /** Tokens from a centre to the next. */
  readonly stride: number;
  /** Centres that a token is described by. */
  readonly neighbourCount: number;
  /** Centres of a block, at least {@link neighbourCount}. */
  readonly centreCount: number;
  /** Words of a bit for each section, padding included: the head of a record without a table. */
  readonly flagWords: number;
  /** Words more of the head of a record with a table: two for each centre, and padding. */
  readonly tableWords: number;
  /** u32 `[64]`: the token at each packed place of a record with a table, centres first. */
  readonly order: Uint32Array;

  /**
   * Derives all offsets.
   *
   * @throws {RangeError} if a number is outside the limits of FORMAT.md section 6.6.
   */
  constructor(shape: HeadShape, profile: DeltaKvProfile) {
    this.kvHeadCount = shape.kvHeadCount;
    this.headSize = shape.headSize;
    this.paper = PaperLayout.forProfile(shape, { ...profile, name: "paper", repack: "none" });
    this.stride = profile.stride;
    this.neighbourCount = profile.neighbourCount;
    this.centreCount = divCeil(BLOCK_TOKEN_COUNT, profile.stride);
    const flagWords = divCeil(this.paper.sectionCount, 32);
    this.flagWords = alignUp(flagWords, RECORD_ALIGN_WORDS);
    const headWords = flagWords + 2 * this.centreCount;
    this.tableWords = alignUp(headWords, RECORD_ALIGN_WORDS) - this.flagWords;
    const tokens = Array.from({ length: BLOCK_TOKEN_COUNT }, (_, token) => token);
    this.order = Uint32Array.from([
      ...tokens.filter((token) => this.isCentre(token)),
      ...tokens.filter((token) => !this.isCentre(token)),
    ]);
  }

  /** Whether a token of the block is a centre. */
  isCentre(token: number): boolean {
    return token % this.stride === 0;
  }

  /** First word of the tokens that a centre describes: 64 bits. */
  tableWord(centre: number): number {
    return divCeil(this.paper.sectionCount, 32) + 2 * centre;
  }

  /** Words of the head of a record. */
  headWords(hasTable: boolean): number {
    return this.flagWords + (hasTable ? this.tableWords : 0);
  }

  /** Words of a record, of which a head with a table counts to `payloadWords`. */
  recordWords(payloadWords: number): number {
    return this.flagWords + this.paper.recordWords(payloadWords);
  }

  /** Words of a record with no payload and no table, before padding. */
  get fixedWords(): number {
    return this.flagWords + this.paper.fixedWords;
  }

  /** Fewest and most words of a record. */
  get recordWordsLimits(): { min: number; max: number } {
    return {
      min: this.flagWords + this.paper.recordWordsMin,
      max: this.headWords(true) + this.paper.recordWordsMax,
    };
  }

  /** Whether a record has a table: some of its sections are described by centres. */
  hasTable(record: Uint32Array): boolean {
    return record.subarray(0, this.tableWord(0)).some((word) => word !== 0);
  }
}
