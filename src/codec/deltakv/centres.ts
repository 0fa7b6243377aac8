/**
 * What centres of a block say of its other tokens, in integers alone, so that every device gives
 * the same. FORMAT.md section 11.1.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { QuantisedSide } from "../quantised.ts";
import { KEY, type Side } from "../record.ts";
import type { DeltaKvLayout } from "./layout.ts";

/** Cosines and sines are whole parts of this. */
const TURN_UNIT = 4096;
/** What a ratio of scales is at most, in 1,024ths. */
const RATIO_MAX = 8191;
/** Largest shift of a ratio; what is beyond is 0. */
const RATIO_SHIFT_MAX = 20;
/** Differences are counted up to this, in quarters of a step. */
const DIFFERENCE_MAX = 127;

/**
 * What pairs of channels of K turn by over some tokens.
 *
 * @param turns Of a layer, from a token to the next, as `LayerTurns` has them; null: none turns.
 * @returns u32 `[64][headSize / 2]`: cosine as i16 in the low, sine in the high half, in 4,096ths.
 */
export function turnWords(turns: Uint32Array | null, headSize: number): Uint32Array<ArrayBuffer> {
  const pairCount = headSize / 2;
  return Uint32Array.from({ length: BLOCK_TOKEN_COUNT * pairCount }, (_, index) => {
    const turn = turns?.[index % pairCount] ?? 0;
    const distance = Math.floor(index / pairCount);
    const angle = 2 * Math.PI * (Math.imul(turn, distance) >>> 0) / 2 ** 32;
    const cosine = Math.round(TURN_UNIT * Math.cos(angle));
    const sine = Math.round(TURN_UNIT * Math.sin(angle));
    return (sine << 16) | (cosine & 0xffff);
  });
}

/** The scale of one token by that of another, in 1,024ths; both are words of parameters. */
export function scaleRatio(from: number, to: number): number {
  const [significand, other] = [from, to].map((word) => 0x400 | (word & 0x3ff));
  const shift = 4 - ((from >> 10 & 31) - (to >> 10 & 31));
  if (shift < 0) return RATIO_MAX;
  const by = Math.min(shift, RATIO_SHIFT_MAX);
  const quotient = Math.floor((significand << 14) / other);
  return Math.min(RATIO_MAX, (quotient + (1 << by >> 1)) >> by);
}

/** One side of a block whose centres have their codes. */
export class SideCentres {
  #layout: DeltaKvLayout;
  #side: Side;
  #codes: Uint8Array;
  /** i32 `[64]`. */
  #zeros: Int32Array;
  /** `[64][centreCount]`. */
  #ratios: Int32Array;
  #turns: Uint32Array;

  /**
   * Of a side whose centres have their codes.
   *
   * @param turns Of the layer: `turnWords`.
   */
  constructor(
    layout: DeltaKvLayout,
    { codes, params }: QuantisedSide,
    { side, turns }: { side: Side; turns: Uint32Array },
  ) {
    const { centreCount, stride } = layout;
    this.#layout = layout;
    this.#side = side;
    this.#codes = codes;
    this.#turns = turns;
    this.#zeros = Int32Array.from(params, (word) => (word | 0) >> 16);
    this.#ratios = Int32Array.from({ length: BLOCK_TOKEN_COUNT * centreCount }, (_, index) => {
      const token = Math.floor(index / centreCount);
      return scaleRatio(params[(index % centreCount) * stride], params[token]);
    });
  }

  /**
   * What the nearest centres say a code is: their mean, within the codes that there are.
   *
   * @param centres Those of the token.
   */
  code(channel: number, token: number, centres: readonly number[]): number {
    const shift = 16 + Math.log2(centres.length);
    const sum = centres.reduce((sum, centre) => (sum + this.#said(channel, token, centre)) | 0, 0);
    const quantum = ((sum + (1 << (shift - 1))) | 0) >> shift;
    return Math.min(Math.max(quantum - this.#zeros[token], 0), this.#codeMax);
  }

  /** Squares of what a centre differs by from a token, over all channels, in 16ths of a step. */
  distance(token: number, centre: number): number {
    let sum = 0;
    const { kvHeadCount, headSize } = this.#layout;
    for (let channel = 0; channel < kvHeadCount * headSize; channel++) {
      const own = this.#codes[channel * BLOCK_TOKEN_COUNT + token] + this.#zeros[token];
      const said = ((this.#said(channel, token, centre) + (1 << 13)) | 0) >> 14;
      const whole = ((own << 2) - said) | 0;
      const difference = Math.min(Math.max(whole, -DIFFERENCE_MAX), DIFFERENCE_MAX);
      sum += difference * difference;
    }
    return sum;
  }

  get #codeMax(): number {
    return 2 ** this.#layout.paper.bits(this.#side) - 1;
  }

  /** What a centre says of a value, in 65,536ths of the token's step. */
  #said(channel: number, token: number, centre: number): number {
    const { stride, centreCount } = this.#layout;
    const ratio = this.#ratios[token * centreCount + centre];
    return Math.imul(this.#turned(channel, centre * stride, token), ratio);
  }

  /** A value of a centre as it were at another token, in 64ths of the centre's step. */
  #turned(channel: number, at: number, token: number): number {
    if (this.#side !== KEY) return this.#quantum(channel, at) << 6;
    const pair = channel >> 1;
    const { headSize } = this.#layout;
    const word = this.#turns[Math.abs(token - at) * (headSize / 2) + pair % (headSize / 2)] | 0;
    const cosine = word << 16 >> 16;
    const sine = token < at ? -(word >> 16) : word >> 16;
    const even = this.#quantum(2 * pair, at);
    const odd = this.#quantum(2 * pair + 1, at);
    const turned = channel % 2 === 0 ? even * cosine - odd * sine : even * sine + odd * cosine;
    return (turned + 32) >> 6;
  }

  #quantum(channel: number, token: number): number {
    return this.#codes[channel * BLOCK_TOKEN_COUNT + token] + this.#zeros[token];
  }
}
