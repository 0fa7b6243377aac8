/**
 * Sizes that everything else is built from: the model's dimensions and the fixed numbers of the KV
 * cache.
 *
 * @module
 */

/** Tokens in one sealed block, and rows of one raw tile. FORMAT.md section 2. */
export const BLOCK_TOKEN_COUNT = 64;

/** The newest tokens that never leave the raw window: it holds 128 to 191 after each step. */
export const WINDOW_KEEP_COUNT = 128;

/** Raw tiles of 64 tokens held per sequence: 191 kept tokens and a slice of 64 fit in 4. */
export const WINDOW_TILE_COUNT = 4;

/** Most prompt tokens of one sequence prefilled in a step; slices end at multiples of it. */
export const SLICE_TOKEN_COUNT = 64;

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
 * Raw tiles of a sequence beside those that its tokens read before their own: that of the newest
 * tokens, and one more, since a preempted sequence begins again up to a block before these.
 */
export const SPARE_TILE_COUNT = 2;

/** Raw tiles of a sequence where layers see `reach` tokens and nothing is sealed. */
export function ringTileCount(reach: number): number {
  return Math.max(WINDOW_TILE_COUNT, blocksInReach(reach) + SPARE_TILE_COUNT);
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
 * Blocks that must be sealed once `tokenCount` tokens have been stored: those whose last token lies
 * more than the kept window behind, `floor(n / 64) - 2`, at least 0.
 */
export function sealedBlockCount(tokenCount: number): number {
  const fullBlockCount = Math.floor(tokenCount / BLOCK_TOKEN_COUNT);
  return Math.max(0, fullBlockCount - WINDOW_KEEP_COUNT / BLOCK_TOKEN_COUNT);
}
