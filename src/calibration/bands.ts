/**
 * The bands of a channel from three numbers of its values: what packs of eight codes are likely to
 * span decides which ranges are worth a band. FORMAT.md section 7.1.
 *
 * Packs have normal values about a centre of their own, and centres are normal too. Tables are
 * compared by their bits, so all here is a pure function of rounded parameters, made of operations
 * that IEEE 754 rounds the same way everywhere.
 *
 * @module
 */

import { type Band, BAND_COUNT, bandWord, CODE_BIAS, FULL_BAND } from "../codec/banded/band.ts";
import { LEVELS, unitBits } from "../codec/banded/levels.ts";
import { normalBelow } from "./normal.ts";

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

/** Codes on the grid reach this many standard deviations from the mean. */
const GRID_DEVIATIONS = 3.2;
/** Pairs of least and greatest code that are rarer do not count. */
const PROBABILITY_MIN = 1e-6;
const BAND_LEVELS = LEVELS.filter((levels) => levels <= 32);
const FULL_BITS = unitBits(FULL_BAND.levels);

/** Nine-point Gauss-Hermite rule for a standard normal variable: places and weights. */
const NODES: readonly [place: number, weight: number][] = [
  [-4.512745863399783, 0.000022345844007746607],
  [-3.20542900285647, 0.0027891413212317692],
  [-2.07684797867783, 0.04991640676521782],
  [-1.0232556637891326, 0.24409750289493953],
  [0, 0.40634920634920635],
  [1.0232556637891326, 0.24409750289493953],
  [2.07684797867783, 0.04991640676521782],
  [3.20542900285647, 0.0027891413212317692],
  [4.512745863399783, 0.000022345844007746607],
];

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
    bands = chooseBands(offsetParts / PARTS, spreadOf(spreads[0]), spreadOf(spreads[1]));
    cache.set(key, bands);
  }
  const words = new Uint32Array(BAND_COUNT);
  bands.forEach(({ least, levels }, index) => {
    const biased = Math.min(Math.max(least + centre + CODE_BIAS, 0), 256 - levels);
    words[index] = bandWord({ least: biased, levels });
  });
  // Limits move bands, so their order is only known now.
  words.subarray(0, BAND_COUNT - 1).sort((a, b) =>
    (a >>> 18) - (b >>> 18) || (a & 255) - (b & 255)
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

/** Probabilities on a grid of codes from `least`: f64 `[count][count]`, least by greatest code. */
interface Grid {
  least: number;
  count: number;
  probability: Float64Array;
}

/** Probability of each pair of least and greatest code of a pack. */
function packGrid(mean: number, between: number, within: number): Grid {
  const reach = Math.ceil(
    GRID_DEVIATIONS * Math.sqrt(between * between + within * within) + 1,
  );
  const count = 2 * reach + 1;
  const least = Math.round(mean) - reach;
  // inside[a][b]: all eight codes are a to b. One more row and column stay 0.
  const stride = count + 1;
  const inside = new Float64Array(stride * stride);
  for (const [place, weight] of NODES) {
    const edges = Float64Array.from({ length: count + 1 }, (_, index) => {
      return normalBelow((least + index - 0.5 - mean - place * between) / within);
    });
    for (let low = 0; low < count; low++) {
      for (let high = low; high < count; high++) {
        const one = Math.max(edges[high + 1] - edges[low], 0);
        const square = one * one;
        const fourth = square * square;
        inside[low * stride + high + 1] += weight * fourth * fourth;
      }
    }
  }
  const probability = new Float64Array(count * count);
  for (let low = 0; low < count; low++) {
    for (let high = low; high < count; high++) {
      const own = low * stride + high + 1;
      const exact = inside[own] - inside[own + stride] - inside[own - 1] + inside[own + stride - 1];
      if (exact > PROBABILITY_MIN) probability[low * count + high] = exact;
    }
  }
  return { least, count, probability };
}

/** Seven bands, each the one that saves most bits beside those before it. */
function chooseBands(mean: number, between: number, within: number): Band[] {
  const grid = packGrid(mean, between, within);
  const { least, count, probability } = grid;
  const bits = new Float64Array(count * count).fill(FULL_BITS);
  const chosen: Band[] = [];
  while (chosen.length < BAND_COUNT - 1) {
    let best = { low: 0, levels: BAND_LEVELS[0], saved: -1 };
    for (let low = 0; low < count; low++) {
      for (const levels of BAND_LEVELS) {
        const saved = savedBits(grid, bits, { low, levels });
        if (saved > best.saved) best = { low, levels, saved };
      }
    }
    chosen.push({ least: least + best.low, levels: best.levels });
    const cost = unitBits(best.levels);
    const end = Math.min(best.low + best.levels, count);
    for (let low = best.low; low < end; low++) {
      for (let high = low; high < end; high++) {
        const pair = low * count + high;
        if (probability[pair] > 0) bits[pair] = Math.min(bits[pair], cost);
      }
    }
  }
  return chosen;
}

/** Expected bits of a pack that one more band saves. */
function savedBits(grid: Grid, bits: Float64Array, band: { low: number; levels: number }): number {
  const { count, probability } = grid;
  const cost = unitBits(band.levels);
  const end = Math.min(band.low + band.levels, count);
  let saved = 0;
  for (let low = band.low; low < end; low++) {
    for (let high = low; high < end; high++) {
      const pair = low * count + high;
      if (bits[pair] > cost) saved += probability[pair] * (bits[pair] - cost);
    }
  }
  return saved;
}
