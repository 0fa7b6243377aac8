/**
 * The lattice points next to a channel's mean, nearest first: packs of a ball are named by their
 * place among them. FORMAT.md section 7.3.
 *
 * A point is a pack of codes read as `lattice.ts` says, seen from a pack of which all codes are the
 * mean. There are 1, 240, 2,160 and 6,720 of the squared distances 0, 2, 4 and 6 (the theta series
 * of E8; Conway and Sloane, chapter 4), and points as far away are in the order of their digits.
 *
 * @module
 */

import { isShifted, placeShift } from "./lattice.ts";
import { UNIT_TOKEN_COUNT } from "./levels.ts";

/** Most bits of a place. */
export const BALL_BITS_MAX = 12;
/** Points that have a place. */
export const POINT_COUNT: number = 2 ** BALL_BITS_MAX;
/** Levels of the digits of a point. */
export const POINT_LEVELS = 8;
/** Bits of one. */
const DIGIT_BITS = 3;
/** The digit of the mean. */
export const POINT_MIDDLE = 4;
/** Codes of the points are at most this many from the mean. */
export const POINT_REACH = 2;
/** Squared distances of those points. */
const DISTANCES = [0, 2, 4, 6];
/** Places at which those of each distance begin, and the end. */
export const POINT_STARTS: readonly number[] = [0, 1, 241, 2401, POINT_COUNT];

let words: Uint32Array<ArrayBuffer> | null = null;

/** Digits of all points as kernels read them: u32 `[POINT_COUNT]`, the first token's highest. */
export function pointWords(): Uint32Array<ArrayBuffer> {
  return words ??= makeWords();
}

/** The eight digits of a point, 0 to 7, written over `digits`. */
export function pointDigits(place: number, digits: number[] = []): number[] {
  const word = pointWords()[place];
  for (let token = 0; token < UNIT_TOKEN_COUNT; token++) {
    digits[token] = (word >>> (DIGIT_BITS * (UNIT_TOKEN_COUNT - 1 - token))) & (POINT_LEVELS - 1);
  }
  return digits;
}

/**
 * The place of a pack of digits; {@link POINT_COUNT} if it has none.
 *
 * @param digits Eight integers, of which the mean is {@link POINT_MIDDLE}.
 */
export function pointPlace(digits: ArrayLike<number>): number {
  const distance = DISTANCES.indexOf(squaredDistance(digits));
  if (distance < 0) return POINT_COUNT;
  const all = pointWords();
  const word = wordOf(digits);
  let [low, high] = [POINT_STARTS[distance], POINT_STARTS[distance + 1]];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (all[middle] < word) low = middle + 1;
    else high = middle;
  }
  return low < POINT_COUNT && all[low] === word ? low : POINT_COUNT;
}

/** Of digits from the pack of means, read as the lattice's points are. */
function squaredDistance(digits: ArrayLike<number>): number {
  const isOdd = isShifted(digits);
  let sum = 0;
  for (let token = 0; token < UNIT_TOKEN_COUNT; token++) {
    sum += (digits[token] - POINT_MIDDLE + (isOdd ? placeShift(token) : 0)) ** 2;
  }
  return sum;
}

function wordOf(digits: ArrayLike<number>): number {
  let word = 0;
  for (let token = 0; token < UNIT_TOKEN_COUNT; token++) {
    word = word << DIGIT_BITS | digits[token];
  }
  return word;
}

function makeWords(): Uint32Array<ArrayBuffer> {
  const byDistance = DISTANCES.map((): number[] => []);
  const farthest = DISTANCES[DISTANCES.length - 1];
  const digits: number[] = [];
  // Of the codes so far, read as whole ones and as shifted ones.
  const visit = (whole: number, shifted: number) => {
    if (Math.min(whole, shifted) > farthest) return;
    if (digits.length === UNIT_TOKEN_COUNT) {
      byDistance[DISTANCES.indexOf(squaredDistance(digits))]?.push(wordOf(digits));
      return;
    }
    const shift = placeShift(digits.length);
    for (let code = -POINT_REACH; code <= POINT_REACH; code++) {
      digits.push(POINT_MIDDLE + code);
      visit(whole + code ** 2, shifted + (code + shift) ** 2);
      digits.pop();
    }
  };
  visit(0, 0);
  return Uint32Array.from(byDistance.flat().slice(0, POINT_COUNT));
}
