/**
 * Bands: the ranges of codes a channel's packs are packed in. FORMAT.md section 7.1.
 *
 * @module
 */

import { LEVELS, LOW_LEVELS_MAX, unitBits } from "./levels.ts";

/** Bands of a channel and side. */
export const BAND_COUNT = 8;
/** Bits of a band's index. */
export const BAND_INDEX_BITS = 3;
/** Codes are stored with this added. */
export const CODE_BIAS = 128;

/** A range of biased codes, `least` to `least + levels - 1`. */
export interface Band {
  /** 0 to 255. */
  least: number;
  /** One of `LEVELS`; `least + levels` is at most 256. */
  levels: number;
}

/** The last band of every channel: it holds every code. */
export const FULL_BAND: Band = { least: 0, levels: 256 };

/**
 * A band as the word that kernels read: bits 0 to 7 the least code, 8 to 12 the levels of the low
 * digits, 13 to 17 those of the high digits, 18 to 24 the bits of a unit.
 */
export function bandWord({ least, levels }: Band): number {
  const low = Math.min(levels, LOW_LEVELS_MAX);
  const high = Math.max(1, levels / LOW_LEVELS_MAX);
  return least | (low << 8) | (high << 13) | (unitBits(levels) << 18);
}

/** Levels of the band of a word that {@link bandWord} gave. */
export function bandLevels(word: number): number {
  return ((word >> 8) & 31) * ((word >> 13) & 31);
}

/** Least code of the band of a word that {@link bandWord} gave. */
export function bandLeast(word: number): number {
  return word & 255;
}

/**
 * The band of any word.
 *
 * @throws {RangeError} if it is not one that {@link bandWord} gives.
 */
export function bandFrom(word: number): Band {
  const band = { least: bandLeast(word), levels: bandLevels(word) };
  const isBand = LEVELS.includes(band.levels) && band.least + band.levels <= 256;
  if (!isBand || bandWord(band) !== word) {
    throw new RangeError(`Cannot read a band from word ${word}`);
  }
  return band;
}

/**
 * Index of the first band that holds all codes from `low` to `high`.
 *
 * @param bands u32 `[BAND_COUNT]`; the last is the full band.
 */
export function chooseBand(bands: Uint32Array, low: number, high: number): number {
  return bands.findIndex((word) => {
    const least = bandLeast(word);
    return least <= low && high < least + bandLevels(word);
  });
}
