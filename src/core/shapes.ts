/**
 * Sizes that everything else is built from: the model's dimensions, the fixed numbers of the KV
 * cache, and the settings of the codec.
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

/** Records start at multiples of this many words, and are padded with zeros to it. */
export const RECORD_ALIGN_WORDS = 4;

/** Bytes of a GPU word. */
export const WORD_SIZE_BYTES = 4;

/** Sizes of a model, from its GGUF metadata. */
export interface ModelShape {
  /** Served name: the file's `general.name` or `basename-size`. */
  name: string;
  layerCount: number;
  /** Embedding width. */
  width: number;
  feedForwardWidth: number;
  queryHeadCount: number;
  kvHeadCount: number;
  /** Channels per head; a multiple of 32, at most 256. */
  headSize: number;
  vocabSize: number;
  contextLengthTrained: number;
  /** Whether the output head is the token embedding. */
  tiedOutput: boolean;
  parameterCount: number;
}

/** How the tokens of a block are ordered before packing. src/codec/FORMAT.md section 4.1. */
export type RepackRule = "none" | "median" | "greedy";

/** The published codec: steps relative to the range of each token. FORMAT.md sections 3 and 4. */
export interface PaperProfile {
  /** `paper`. */
  name: "paper";
  /** Step of K relative to the range of a token, (0, 0.5]. */
  keyRel: number;
  /** Step of V relative to the range of a token, (0, 0.5]. */
  valueRel: number;
  /** Tokens per pack. */
  packSize: 4 | 8 | 16 | 32;
  /** Order of tokens before packing. */
  repack: RepackRule;
}

/** What a layer's steps are multiplied by. */
export interface LayerFactors {
  /** Of K, positive. */
  key: number;
  /** Of V, positive. */
  value: number;
}

/** Steps by what the model's queries see, from a calibration. FORMAT.md section 11. */
export interface BandedProfile {
  /** What it promises. */
  name: "near-lossless" | "balanced" | "tight";
  /**
   * Step of K in units of a score before its division by the square root of the head size: channel
   * `c` has `keyStep / sqrt(mean q_c^2)`.
   */
  keyStep: number;
  /** Step of V relative to the mean magnitude of a token's values. */
  valueStep: number;
  /** First tokens of a sequence that stay raw, 0 to 16. */
  sinkCount: number;
  /** Order of tokens before packing. */
  repack: RepackRule;
  /** By layer, in the place of the calibration's; null leaves these. */
  layerFactors: readonly LayerFactors[] | null;
}

/** Settings of the codec; a point on the curve of quality against bytes. */
export type CodecProfile = { name: "exact" } | PaperProfile | BandedProfile;

/** The published setting: K 0.1, V 0.2, packs of 16, no repacking. arXiv:2512.24449. */
export const PAPER_PROFILE: PaperProfile = {
  name: "paper",
  keyRel: 0.1,
  valueRel: 0.2,
  packSize: 16,
  repack: "none",
};

/** Tile of a slot's window that holds a block while it is raw. */
export function tileOf(blockIndex: number): number {
  return blockIndex % WINDOW_TILE_COUNT;
}

/** The same tile in a window of all slots. */
export function windowTile(slot: number, blockIndex: number): number {
  return slot * WINDOW_TILE_COUNT + tileOf(blockIndex);
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
