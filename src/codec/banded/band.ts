/**
 * Bands: the ranges of codes a channel's packs are packed in. FORMAT.md section 7.1.
 *
 * @module
 */

import { LEVELS, LOW_LEVELS_MAX, UNIT_TOKEN_COUNT, unitBits } from "./levels.ts";
import { BALL_BITS_MAX, POINT_LEVELS, POINT_MIDDLE, pointPlace } from "./points.ts";

/** Bands of a channel and side. */
export const BAND_COUNT = 8;
/** Bits of a band's index. */
export const BAND_INDEX_BITS = 3;
/** Codes are stored with this added. */
export const CODE_BIAS = 128;

/** What packs a band holds: those of which all codes are in a range, or the points of a ball. */
export type Band = RangeBand | BallBand;

/** A range of biased codes, `least` to `least + levels - 1`. */
export interface RangeBand {
  /** 0 to 255. */
  least: number;
  /** One of `LEVELS`; `least + levels` is at most 256. */
  levels: number;
}

/** The first `2 ** ballBits` points next to a pack of codes that are all `middle`. */
export interface BallBand {
  /** A biased code, 4 to 252: what digits begin at is 4 less. */
  middle: number;
  /** 0 to 12. */
  ballBits: number;
}

/** The last band of every channel: it holds every code. */
export const FULL_BAND: RangeBand = { least: 0, levels: 256 };

/** Of a band's word: a ball. */
const BALL_FLAG = 1 << 25;

/**
 * A band as the word that kernels read: bits 0 to 7 the least code, 8 to 12 the levels of the low
 * digits, 13 to 17 those of the high digits, 18 to 24 the bits of a unit, 25 whether it is a ball,
 * of which the digits are those of a point.
 */
export function bandWord(band: Band): number {
  if ("ballBits" in band) {
    const { middle, ballBits } = band;
    const digits = (middle - POINT_MIDDLE) | (POINT_LEVELS << 8) | (1 << 13);
    return digits | (ballBits << 18) | BALL_FLAG;
  }
  const { least, levels } = band;
  const low = Math.min(levels, LOW_LEVELS_MAX);
  const high = Math.max(1, levels / LOW_LEVELS_MAX);
  return least | (low << 8) | (high << 13) | (unitBits(levels) << 18);
}

/** Levels of the band of a word that {@link bandWord} gave. */
export function bandLevels(word: number): number {
  return ((word >> 8) & 31) * ((word >> 13) & 31);
}

/** Whether the band of a word that {@link bandWord} gave is a ball. */
export function isBall(word: number): boolean {
  return (word & BALL_FLAG) !== 0;
}

/** Bits of a unit of the band of such a word. */
export function bandBits(word: number): number {
  return (word >>> 18) & 127;
}

/** Least code of the band of a word that {@link bandWord} gave: that of digit 0. */
export function bandLeast(word: number): number {
  return word & 255;
}

/**
 * The band of any word.
 *
 * @throws {RangeError} if it is not one that {@link bandWord} gives.
 */
export function bandFrom(word: number): Band {
  const least = bandLeast(word);
  const refuse = () => new RangeError(`Cannot read a band from word ${word}`);
  if (isBall(word)) {
    const ball = { middle: least + POINT_MIDDLE, ballBits: bandBits(word) };
    const isIn = ball.ballBits <= BALL_BITS_MAX && least + POINT_LEVELS <= 256;
    if (!isIn || bandWord(ball) !== word) throw refuse();
    return ball;
  }
  const band = { least, levels: bandLevels(word) };
  const isBand = LEVELS.includes(band.levels) && band.least + band.levels <= 256;
  if (!isBand || bandWord(band) !== word) throw refuse();
  return band;
}

/**
 * Index of the first band that holds a pack.
 *
 * @param bands u32, those of the channel from `start` on, `[BAND_COUNT]`; the last is the full
 * band. Balls have one middle.
 * @param codes The biased codes that are present of a pack; balls hold whole packs alone.
 */
export function chooseBand(bands: Uint32Array, codes: ArrayLike<number>, start = 0): number {
  let [low, high] = [255, 0];
  for (let place = 0; place < codes.length; place++) {
    const code = codes[place];
    if (code < low) low = code;
    if (code > high) high = code;
  }
  for (let index = 0; index < BAND_COUNT; index++) {
    const word = bands[start + index];
    const least = bandLeast(word);
    if (isBall(word)) {
      if (isInBall(word, codes, { low, high })) return index;
    } else if (least <= low && high < least + bandLevels(word)) {
      return index;
    }
  }
  return -1;
}

/** Whether the ball of a word holds a pack, of which the least and the largest code are given. */
function isInBall(
  word: number,
  codes: ArrayLike<number>,
  { low, high }: { low: number; high: number },
): boolean {
  const least = bandLeast(word);
  const isNear = low >= least && high < least + POINT_LEVELS;
  if (codes.length < UNIT_TOKEN_COUNT || !isNear) return false;
  for (let place = 0; place < UNIT_TOKEN_COUNT; place++) POINT[place] = codes[place] - least;
  return pointPlace(POINT) < 2 ** bandBits(word);
}

/** Scratch of one pack's digits. */
const POINT = new Uint8Array(UNIT_TOKEN_COUNT);
