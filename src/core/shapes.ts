/**
 * Sizes that everything else is built from: the model's dimensions and the fixed numbers of the KV
 * cache.
 *
 * @module
 */

/** Tokens in one sealed block, and rows of one raw tile. FORMAT.md section 2. */
export const BLOCK_TOKEN_COUNT = 64;

/**
 * The newest tokens that stay raw unless something else is asked for: a window holds them, and up
 * to 63 more until these are a block.
 */
export const WINDOW_TOKEN_COUNT = 128;

/** The same in blocks. */
export const WINDOW_BLOCK_COUNT = WINDOW_TOKEN_COUNT / BLOCK_TOKEN_COUNT;

/** Most tokens that may stay raw: tiers look for 16 blocks at once. */
export const WINDOW_TOKEN_COUNT_MAX = 1024;

/**
 * Whole blocks that stay raw, from the newest tokens that do.
 *
 * @throws {RangeError} If these are no multiple of 64 in range.
 */
export function windowBlocks(tokenCount: number): number {
  const isWhole = tokenCount % BLOCK_TOKEN_COUNT === 0;
  if (isWhole && tokenCount >= 0 && tokenCount <= WINDOW_TOKEN_COUNT_MAX) {
    return tokenCount / BLOCK_TOKEN_COUNT;
  }
  throw new RangeError(
    `Cannot keep a window of ${tokenCount} tokens: wanted a multiple of ${BLOCK_TOKEN_COUNT} ` +
      `from 0 to ${WINDOW_TOKEN_COUNT_MAX}`,
  );
}

/** Raw tiles of a sequence beside those that its rows read before their own: their own. */
export const SPARE_TILE_COUNT = 1;

/** Raw tiles of 64 tokens held per sequence, unless something else is asked for. */
export const WINDOW_TILE_COUNT = WINDOW_BLOCK_COUNT + SPARE_TILE_COUNT;

/** Most prompt tokens of one sequence prefilled in a step; slices end at multiples of it. */
export const SLICE_TOKEN_COUNT = 64;

/** Most guesses of next tokens that one sequence has checked by a step. */
export const DRAFT_COUNT_MAX = 7;

/** Most tokens of a sequence, even if a model claims more. */
export const CONTEXT_LENGTH_MAX = 2 ** 24;

/** Encodes start at multiples of this many words, and are padded with zeros to it. */
export const RECORD_ALIGN_WORDS = 4;

/** Bytes of a GPU word. */
export const WORD_SIZE_BYTES = 4;

/** Most channels of a head. */
export const HEAD_SIZE_MAX = 512;

/** Heads of a layer. */
export interface LayerHeads {
  queryHeadCount: number;
  kvHeadCount: number;
  /** Channels per head; a multiple of 32, at most {@link HEAD_SIZE_MAX}. */
  headSize: number;
}

/**
 * Sizes of a model, from its GGUF metadata. The heads are those of layers that see everything;
 * layers that see a window may have others.
 */
export interface ModelShape extends LayerHeads {
  /** Served name: the file's `general.name` or `basename-size`. */
  name: string;
  layerCount: number;
  /** Embedding width. */
  width: number;
  /** Of the widest layer. */
  feedForwardWidth: number;
  vocabSize: number;
  contextLengthTrained: number;
  /** Whether the output head is the token embedding. */
  tiedOutput: boolean;
  parameterCount: number;
}

/** Whether keys and values of two layers have the same sizes. */
export function haveSameKeys(a: LayerHeads, b: LayerHeads): boolean {
  return a.kvHeadCount === b.kvHeadCount && a.headSize === b.headSize;
}

/** Tile of a slot's window that holds a block while it is raw. */
export function tileOf(blockIndex: number, tileCount = WINDOW_TILE_COUNT): number {
  return blockIndex % tileCount;
}

/** The same tile in a window of all slots. */
export function windowTile(
  slot: number,
  blockIndex: number,
  tileCount = WINDOW_TILE_COUNT,
): number {
  return slot * tileCount + tileOf(blockIndex, tileCount);
}

/** Blocks before its own of which a token sees something, if it sees `reach` tokens. */
export function blocksInReach(reach: number): number {
  return divCeil(reach - 1, BLOCK_TOKEN_COUNT);
}

/**
 * Whether blocks are sealed within a window of `reach` tokens: its rows see all that is raw, and
 * more.
 */
export function isSealedWithin(reach: number, windowBlockCount: number): boolean {
  return reach >= (windowBlockCount + SPARE_TILE_COUNT) * BLOCK_TOKEN_COUNT;
}

/** Most blocks that are sealed within a window: the newest comes before the oldest is freed. */
export function sealedWithinCount(reach: number, windowBlockCount: number): number {
  return blocksInReach(reach) - windowBlockCount + 1;
}

/**
 * Raw tiles of a sequence, of layers that see `reach` tokens and seal nothing; null: that see all
 * and seal blocks behind `windowBlockCount` raw ones. The first have no fewer than the others.
 */
export function windowTileCount(reach: number | null, windowBlockCount: number): number {
  const beforeCount = reach === null ? 0 : blocksInReach(reach);
  return Math.max(windowBlockCount, beforeCount) + SPARE_TILE_COUNT;
}

/** `ceil(a / b)` for non-negative integers. */
export function divCeil(a: number, b: number): number {
  return Math.ceil(a / b);
}

/** `a / b`; throws a `RangeError` if `b` does not divide `a`. */
export function divExact(a: number, b: number): number {
  if (a % b !== 0) throw new RangeError(`Cannot divide ${a} by ${b} exactly`);
  return a / b;
}

/** The smallest multiple of `unit` that is at least `a`. */
export function alignUp(a: number, unit: number): number {
  return divCeil(a, unit) * unit;
}

/** Bits that hold the integers `0..maximum`; 0 for `maximum` 0. */
export function bitsFor(maximum: number): number {
  return 32 - Math.clz32(maximum);
}

/**
 * Blocks that must be sealed once `tokenCount` tokens have been stored: all whole ones but the last
 * `windowBlockCount`.
 */
export function sealedBlockCount(tokenCount: number, windowBlockCount: number): number {
  return Math.max(0, Math.floor(tokenCount / BLOCK_TOKEN_COUNT) - windowBlockCount);
}
