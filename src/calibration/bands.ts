/**
 * The bands of a channel from three numbers of its values: what packs of eight codes are likely to
 * span decides which ranges are worth a band. FORMAT.md section 7.1.
 *
 * Tables are compared by their bits, so all here is a pure function of rounded parameters, made of
 * operations that IEEE 754 rounds the same way everywhere.
 *
 * @module
 */

import {
  type Band,
  BAND_COUNT,
  bandBits,
  bandLeast,
  bandWord,
  CODE_BIAS,
  FULL_BAND,
} from "../codec/banded/band.ts";
import { POINT_LEVELS, POINT_MIDDLE } from "../codec/banded/points.ts";
import { chooseBands } from "./band_choice.ts";
import { packOdds } from "./pack_odds.ts";

/** Statistics of one channel, in any unit that the step shares. */
export interface ChannelSpread {
  /** Mean of all values. */
  mean: number;
  /** Standard deviation of the centres of packs. */
  between: number;
  /** Standard deviation inside a pack. */
  within: number;
}

/** Spreads of all channels of a side: f32 `[channels]` each. */
export interface SideSpread {
  mean: Float32Array;
  between: Float32Array;
  within: Float32Array;
}

/** Means are rounded to this part of a code, spreads to this part of an octave. */
const PARTS = 8;
/** `2 ** (part / 8)`. */
const OCTAVE_PARTS = [
  1,
  1.0905077326652577,
  1.189207115002721,
  1.2968395546510096,
  1.4142135623730951,
  1.5422108254079407,
  1.681792830507429,
  1.8340080864093424,
];
/** `2 ** ((part + 0.5) / 8)`: where rounding to the next part begins. */
const OCTAVE_EDGES = [
  1.0442737824274138,
  1.1387886347566916,
  1.241857812073484,
  1.3542555469368927,
  1.4768261459394993,
  1.6104903319492543,
  1.7562521603732995,
  1.9152065613971474,
];
/** Spreads below 2^-6 codes change no pack; above 2^4 bands of 32 levels hold next to none. */
const SPREAD_OCTAVE_MIN = -6;
const SPREAD_OCTAVE_MAX = 4;
const MEAN_MAX = 127;

/** Tables about mean 0 by their rounded parameters; many channels share one. */
const cache = new Map<string, readonly Band[]>();

/**
 * The eight bands of a channel as words of `bandWord`, cheapest first, the full one last.
 *
 * @param step Width of a code, positive, in the unit of the spread.
 * @returns u32 `[8]`.
 *
 * @throws {RangeError} if the step is not positive or a statistic is not finite.
 */
export function bandsOf(spread: ChannelSpread, step: number): Uint32Array {
  const { mean, between, within } = spread;
  if (!(step > 0 && step < Infinity)) {
    throw new RangeError(`Cannot make bands for step ${step}: must be positive`);
  }
  if (![mean, between, within].every(Number.isFinite)) {
    throw new RangeError(`Cannot make bands of ${mean}, ${between}, ${within}: must be finite`);
  }
  const limited = Math.min(Math.max(mean / step, -MEAN_MAX), MEAN_MAX);
  const meanParts = Math.round(limited * PARTS);
  const centre = Math.round(meanParts / PARTS);
  const offsetParts = meanParts - centre * PARTS;
  const spreads = [between / step, within / step].map(spreadParts);
  const key = `${offsetParts} ${spreads.join(" ")}`;
  let bands = cache.get(key);
  if (bands === undefined) {
    bands = chooseBands(
      packOdds(offsetParts / PARTS, spreadOf(spreads[0]), spreadOf(spreads[1])),
    );
    cache.set(key, bands);
  }
  const words = new Uint32Array(BAND_COUNT);
  const limit = (least: number, levels: number) =>
    Math.min(Math.max(least + centre + CODE_BIAS, 0), 256 - levels);
  bands.forEach((band, index) => {
    words[index] = "ballBits" in band
      ? bandWord({ ...band, middle: limit(-POINT_MIDDLE, POINT_LEVELS) + POINT_MIDDLE })
      : bandWord({ ...band, least: limit(band.least, band.levels) });
  });
  // Limits move bands, so their order is only known now.
  words.subarray(0, BAND_COUNT - 1).sort((a, b) =>
    bandBits(a) - bandBits(b) || bandLeast(a) - bandLeast(b)
  );
  words[BAND_COUNT - 1] = bandWord(FULL_BAND);
  return words;
}

/**
 * The bands of all channels of a layer.
 *
 * @param steps Widths of a code in the unit of each side's spread, `[channels]` each.
 * @returns u32 `[2][channels][8]`, K's channels first.
 */
export function bandTables(
  layer: { key: SideSpread; value: SideSpread },
  steps: { key: ArrayLike<number>; value: ArrayLike<number> },
): Uint32Array {
  const channelCount = layer.key.mean.length;
  const words = new Uint32Array(2 * channelCount * BAND_COUNT);
  [layer.key, layer.value].forEach(({ mean, between, within }, side) => {
    const own = side === 0 ? steps.key : steps.value;
    for (let channel = 0; channel < channelCount; channel++) {
      const spread = {
        mean: mean[channel],
        between: between[channel],
        within: within[channel],
      };
      words.set(bandsOf(spread, own[channel]), (side * channelCount + channel) * BAND_COUNT);
    }
  });
  return words;
}

/** A spread in parts of an octave, by comparisons alone. */
function spreadParts(spread: number): number {
  const limited = Math.min(Math.max(spread, 2 ** SPREAD_OCTAVE_MIN), 2 ** SPREAD_OCTAVE_MAX);
  let octave = SPREAD_OCTAVE_MIN;
  while (2 ** (octave + 1) <= limited) octave++;
  const fraction = limited / 2 ** octave;
  return octave * PARTS + OCTAVE_EDGES.filter((edge) => edge <= fraction).length;
}

function spreadOf(parts: number): number {
  const octave = Math.floor(parts / PARTS);
  return 2 ** octave * OCTAVE_PARTS[parts - octave * PARTS];
}
