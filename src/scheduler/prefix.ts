/**
 * Where a sequence can begin behind a prefix that is in the cache already, and what of its own
 * prompt it keeps so that others can. src/decisions/09 has the reasons.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { NearBlocks } from "./near_blocks.ts";

/** What of a prompt is in the cache. */
export interface PrefixLookup {
  /** Leading blocks that are sealed there. */
  sealedCount: number;
  /** Whole blocks that stay raw behind the newest tokens. */
  windowBlockCount: number;
  /** The raw tile of a block; falsy if it is not kept. */
  hasRaw(blockIndex: number): unknown;
  /** Raw tiles before a boundary that some layer reads; `windowBlockCount` if left out. */
  rawTileCount?: number;
  /** Whether all is there of stores whose rows see their newest tokens only; true if left out. */
  hasNear?: (boundary: number) => boolean;
}

/** Indexes of the `count` raw tiles that a sequence beginning at block `boundary` needs. */
export function rawTilesBefore(boundary: number, count: number): number[] {
  const first = Math.max(0, boundary - count);
  return Array.from({ length: boundary - first }, (_, index) => first + index);
}

/**
 * The last block at which a prompt can begin, 0 if nothing of it can be left out: the blocks before
 * it are sealed but for those of the window, whose raw tiles are kept, or more of them where layers
 * keep a longer one. At least one token is left.
 */
export function bestBoundary(promptTokenCount: number, lookup: PrefixLookup): number {
  const boundaryMax = Math.floor((promptTokenCount - 1) / BLOCK_TOKEN_COUNT);
  const { sealedCount, windowBlockCount, rawTileCount = windowBlockCount } = lookup;
  const { hasNear = () => true } = lookup;
  const reach = Math.min(boundaryMax, sealedCount + windowBlockCount);
  for (let boundary = reach; boundary > 0; boundary--) {
    const tiles = rawTilesBefore(boundary, rawTileCount);
    if (tiles.every((tile) => lookup.hasRaw(tile)) && hasNear(boundary)) return boundary;
  }
  return 0;
}

/** What of a prompt is kept so that others can begin at some of its boundaries. */
export class KeptPlaces {
  #raw = new Set<number>();
  #near = new Set<number>();
  #of: { rawTilesBefore(boundary: number): number[]; near: Pick<NearBlocks, "before"> };

  /** @param of What is needed to begin at a boundary. */
  constructor(
    boundaries: Iterable<number>,
    of: { rawTilesBefore(boundary: number): number[]; near: Pick<NearBlocks, "before"> },
  ) {
    this.#of = of;
    for (const boundary of boundaries) this.add(boundary);
  }

  /** Keeps another boundary. */
  add(boundary: number): void {
    for (const tile of this.#of.rawTilesBefore(boundary)) this.#raw.add(tile);
    for (const block of this.#of.near.before(boundary)) this.#near.add(block);
  }

  /** Whether the raw tiles of a block are kept. */
  hasRaw(blockIndex: number): boolean {
    return this.#raw.has(blockIndex);
  }

  /** Whether a block is kept of stores whose rows see their newest tokens only. */
  hasNear(blockIndex: number): boolean {
    return this.#near.has(blockIndex);
  }
}

/** Places where messages end that count: a system prompt and the first thing said behind it … */
const FIRST_END_COUNT = 2;
/** … and the newest turns. */
const LAST_END_COUNT = 4;

/**
 * Boundaries of a prompt at which others may begin: its last block, 1, 2, 4, 8, … blocks before it,
 * and the last ones before the end of its first two and last four messages. A prompt that shares
 * all but the last `n` tokens repeats less than `n + 128` of those; one that shares a message at
 * the beginning repeats less than a block of it.
 *
 * @param messageEnds Tokens before the end of each message, ascending.
 */
export function keptBoundaries(
  promptTokenCount: number,
  messageEnds: readonly number[] = [],
): number[] {
  const last = Math.floor(promptTokenCount / BLOCK_TOKEN_COUNT);
  const boundaries = new Set<number>();
  for (let distance = 0; distance < last; distance = distance === 0 ? 1 : distance * 2) {
    boundaries.add(last - distance);
  }
  const blocks = messageEnds.map((end) => Math.floor(end / BLOCK_TOKEN_COUNT));
  const ends = [...new Set(blocks)].filter((block) => block > 0 && block < last);
  for (const block of [...ends.slice(0, FIRST_END_COUNT), ...ends.slice(-LAST_END_COUNT)]) {
    boundaries.add(block);
  }
  return [...boundaries];
}
