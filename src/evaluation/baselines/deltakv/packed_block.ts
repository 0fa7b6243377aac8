/**
 * Codes of one side of a block, and the bits that PackKV's packing takes for them: for each pack a
 * minimum and a width, then its codes at that width; for each token a scale and a zero.
 *
 * @module
 */

import { bitsFor, BLOCK_TOKEN_COUNT } from "../../../core/shapes.ts";
import { roundF16 } from "../groups.ts";

/** Tokens of a pack, as profile `paper` has them. */
const PACK_TOKENS = 16;
/** A scale and a zero of 16 bits each. */
const TOKEN_BITS = 32;

/**
 * Codes of a token: `round(value / step)` less the smallest of them, read back as `code * step`.
 *
 * @param rel Step relative to `range`.
 */
export function quantiseToken(
  values: Float64Array,
  { range, rel }: { range: number; rel: number },
): { codes: Int32Array; values: Float64Array } {
  const step = Math.max(roundF16(range * rel), 2 ** -14);
  const quanta = Int32Array.from(values, (value) => Math.round(value / step));
  const zero = quanta.reduce((least, value) => Math.min(least, value), quanta[0]);
  return {
    codes: quanta.map((value) => value - zero),
    values: Float64Array.from(quanta, (value) => value * step),
  };
}

/** Largest minus smallest value of a token. */
export function rangeOf(values: Float64Array): number {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return high - low;
}

/**
 * Bits of a side.
 *
 * @param runs Tokens of each run of packs, by index of `rows`: no pack has tokens of two runs.
 * @param codeBits Bits of a code and of a minimum at least.
 */
export function packedBits(
  rows: readonly Int32Array[],
  { runs, codeBits }: { runs: readonly (readonly number[])[]; codeBits: number },
): { all: number; payload: number } {
  const tokens = runs.flat();
  const largest = tokens.reduce(
    (most, token) => rows[token].reduce((a, b) => Math.max(a, b), most),
    0,
  );
  const minimumBits = Math.max(codeBits, bitsFor(largest));
  const fixedBits = minimumBits + bitsFor(minimumBits);
  let [payload, packCount] = [0, 0];
  for (const run of runs) {
    for (let first = 0; first < run.length; first += PACK_TOKENS) {
      const pack = run.slice(first, first + PACK_TOKENS).map((token) => rows[token]);
      payload += packPayload(pack);
      packCount += pack[0].length;
    }
  }
  return { all: payload + packCount * fixedBits + tokens.length * TOKEN_BITS, payload };
}

/** Bits of the codes of a pack of each channel. */
function packPayload(pack: readonly Int32Array[]): number {
  let bits = 0;
  for (let channel = 0; channel < pack[0].length; channel++) {
    let [low, high] = [Infinity, 0];
    for (const row of pack) {
      low = Math.min(low, row[channel]);
      high = Math.max(high, row[channel]);
    }
    bits += pack.length * bitsFor(high - low);
  }
  return bits;
}

/** All tokens of a block from `first` on. */
export function tokensFrom(first: number): number[] {
  return Array.from({ length: BLOCK_TOKEN_COUNT - first }, (_, at) => first + at);
}
