/**
 * Raw tiles: 64 tokens of one layer as f16, two to a word, in the order the kernels read them.
 * FORMAT.md section 5.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT, HEAD_SIZE_MAX } from "../core/shapes.ts";
import { f16FromNumber, f16ToNumber } from "./f16.ts";
import { KEY, rawTileWords, type Side } from "./record.ts";

/** Heads of a layer's cache. */
export interface HeadShape {
  /** KV heads, at least 1. */
  kvHeadCount: number;
  /** Channels per head, a multiple of 32. */
  headSize: number;
}

/**
 * Checks heads before records are laid out for them.
 *
 * @throws {RangeError} if a number is outside the limits of FORMAT.md section 2.
 */
export function checkHeads({ kvHeadCount, headSize }: HeadShape): void {
  if (!Number.isInteger(kvHeadCount) || kvHeadCount < 1 || kvHeadCount > 256) {
    throw new RangeError(`Cannot lay out a record: kvHeadCount is ${kvHeadCount}, not 1 to 256`);
  }
  if (!(headSize >= 32 && headSize <= HEAD_SIZE_MAX && headSize % 32 === 0)) {
    throw new RangeError(
      `Cannot lay out a record: headSize is ${headSize}, must be a multiple of 32, ` +
        `at most ${HEAD_SIZE_MAX}`,
    );
  }
}

/**
 * Where a value lies in a raw tile, counted in f16 halves: word `half >> 1`, low bits if even.
 *
 * @param channel `head * headSize + channel of the head`.
 * @param token Row of the tile, 0 to 63.
 */
export function rawTileHalf(shape: HeadShape, side: Side, channel: number, token: number): number {
  if (side === KEY) {
    return ((channel >> 3) * BLOCK_TOKEN_COUNT + token) * 8 + (channel & 7);
  }
  const { kvHeadCount, headSize } = shape;
  const head = Math.floor(channel / headSize);
  const valueStart = kvHeadCount * headSize * BLOCK_TOKEN_COUNT;
  return valueStart + (head * BLOCK_TOKEN_COUNT + token) * headSize + (channel % headSize);
}

/**
 * Builds a raw tile, rounding to f16.
 *
 * @param keys f32 `[tokens][kvHeadCount * headSize]`, up to 64 tokens; rows left out are zero.
 * @param values As `keys`.
 * @returns Words of the tile, `[rawTileWords(shape)]`.
 */
export function rawTileFrom(
  shape: HeadShape,
  keys: ArrayLike<number>,
  values: ArrayLike<number>,
): Uint32Array {
  const words = new Uint32Array(rawTileWords(shape));
  const halves = new Uint16Array(words.buffer);
  const channelCount = shape.kvHeadCount * shape.headSize;
  for (const [side, source] of [keys, values].entries()) {
    for (let i = 0; i < source.length; i++) {
      const token = Math.floor(i / channelCount);
      const half = rawTileHalf(shape, side as Side, i % channelCount, token);
      halves[half] = f16FromNumber(source[i]);
    }
  }
  return words;
}

/**
 * Reads one side of a raw tile.
 *
 * @returns f32 `[64][kvHeadCount * headSize]`, token by token; every f16 is exact in f32.
 */
export function rawTileValues(shape: HeadShape, tile: Uint32Array, side: Side): Float32Array {
  const halves = new Uint16Array(tile.buffer, tile.byteOffset, tile.length * 2);
  const channelCount = shape.kvHeadCount * shape.headSize;
  const values = new Float32Array(BLOCK_TOKEN_COUNT * channelCount);
  for (let i = 0; i < values.length; i++) {
    const token = Math.floor(i / channelCount);
    values[i] = f16ToNumber(halves[rawTileHalf(shape, side, i % channelCount, token)]);
  }
  return values;
}
