/**
 * What a cache takes with everything that is needed to read it: sealed blocks with their side data,
 * raw first tokens, the raw window, what the allocator adds, and the codec's tables. The ratio of
 * sealed blocks leaves out most of that, and short contexts are mostly that.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT, sealedBlockCount } from "../core/shapes.ts";

/** Contexts that reports count, tokens. */
export const ALL_IN_TOKENS: readonly number[] = [2048, 8192, 32768];

/** Bytes of one sequence's cache at a length, by part. */
export interface AllIn {
  tokens: number;
  /** f16 bytes of all its tokens over the bytes of all parts. */
  ratio: number;
  /** Sum of all parts. */
  bytes: number;
  /** Sealed blocks with side data, without raw first tokens, of layers that see everything. */
  sealed: number;
  /** Those of layers that see a window, which holds no more of them however long the context is. */
  near: number;
  /** Raw first tokens of the sequence. */
  sinks: number;
  /** Raw window of layers that seal. */
  window: number;
  /** Directory of blocks, and what their extents are rounded up by. */
  slack: number;
  /** Tables of the codec, one set for all sequences. */
  tables: number;
}

/** What layers that see a window hold of it sealed. */
export interface NearFacts {
  /** Tokens of the window. */
  reach: number;
  /** Bytes of a token as f16, in all of these layers. */
  tokenBytes: number;
  /** Bytes of the sealed blocks within a whole window. */
  packed: number;
}

/** What is known of a cache that has sealed some blocks, of layers that see everything. */
export interface AllInFacts {
  /** Blocks sealed so far, and bytes of them as f16, packed with first tokens, and allocated. */
  blockCount: number;
  raw: number;
  packed: number;
  allocated: number;
  /** Bytes of raw first tokens, part of `packed` if `sinksArePacked`. */
  sinks: number;
  sinksArePacked: boolean;
  /** Whole blocks that stay raw. */
  windowBlockCount: number;
  window: number;
  tables: number;
  /** Of layers that see a window; null if there are none that seal. */
  near: NearFacts | null;
}

/** Blocks that are sealed once a sequence of so many tokens has been read. */
export function sealedOnceRead(tokens: number, windowBlockCount: number): number {
  return sealedBlockCount(tokens - 1, windowBlockCount);
}

/**
 * Bytes at some length, counted from what blocks took so far; 0 blocks give no answer.
 *
 * @returns Null if nothing is sealed.
 */
export function allInBytes(facts: AllInFacts, tokens: number): AllIn | null {
  const { blockCount, raw, sinks, window, tables } = facts;
  if (blockCount === 0) return null;
  const share = sealedOnceRead(tokens, facts.windowBlockCount) / blockCount;
  const sealed = share * (facts.packed - (facts.sinksArePacked ? sinks : 0));
  const slack = share * (facts.allocated - facts.packed);
  const seen = facts.near === null ? NOTHING_SEEN : seenOf(facts.near, tokens);
  const near = seen.packed;
  const bytes = sealed + near + sinks + window + slack + tables;
  const rawBytes = tokens * raw / (blockCount * BLOCK_TOKEN_COUNT) + seen.raw;
  return { tokens, ratio: rawBytes / bytes, bytes, sealed, near, sinks, window, slack, tables };
}

const NOTHING_SEEN = { packed: 0, raw: 0 };

/** Bytes of what layers that see a window hold of it at a length, sealed and as f16. */
function seenOf({ reach, tokenBytes, packed }: NearFacts, tokens: number): typeof NOTHING_SEEN {
  const seen = Math.min(tokens, reach);
  return { packed: packed * seen / reach, raw: tokenBytes * seen };
}
