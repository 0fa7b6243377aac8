/**
 * Tokens of a block as DeltaKV sees them: keys of all heads before RoPE, then values of all heads.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../../core/shapes.ts";
import type { BaselineBlock } from "../baseline.ts";
import type { Turning } from "./turning.ts";

/** A block of one layer, to be read back. */
export interface TokenBlock {
  /** `[64][2 * channels]`; what a form leaves is what is read. */
  vectors: Float64Array[];
  /** Position of its first token. */
  position: number;
  /** Tokens before it stay raw. */
  firstToken: number;
  turning: Turning;
}

/** The tokens of a block. */
export function tokenBlock(block: BaselineBlock, turning: Turning): TokenBlock {
  const { keys, values, blockIndex, firstToken } = block;
  const width = keys.length / BLOCK_TOKEN_COUNT;
  const position = blockIndex * BLOCK_TOKEN_COUNT;
  const vectors = Array.from({ length: BLOCK_TOKEN_COUNT }, (_, token) => {
    const vector = new Float64Array(2 * width);
    vector.set(keys.subarray(token * width, (token + 1) * width));
    vector.set(values.subarray(token * width, (token + 1) * width), width);
    turning.turnBack(keysOf(vector), position + token);
    return vector;
  });
  return { vectors, position, firstToken, turning };
}

/** Puts tokens that are not raw back into a block. */
export function putTokens(block: BaselineBlock, { vectors, position, turning }: TokenBlock): void {
  const { keys, values, firstToken } = block;
  for (let token = firstToken; token < BLOCK_TOKEN_COUNT; token++) {
    const vector = vectors[token].slice();
    turning.turn(keysOf(vector), position + token);
    keys.set(keysOf(vector), token * vector.length / 2);
    values.set(valuesOf(vector), token * vector.length / 2);
  }
}

/** The keys of a token. */
export function keysOf(vector: Float64Array): Float64Array {
  return vector.subarray(0, vector.length / 2);
}

/** The values of a token. */
export function valuesOf(vector: Float64Array): Float64Array {
  return vector.subarray(vector.length / 2);
}

/** Whether a token behind the raw first ones is a centre. */
export function isCentre(
  position: number,
  { sinkCount, stride }: { sinkCount: number; stride: number },
): boolean {
  return position < sinkCount || (position - sinkCount) % stride === 0;
}
