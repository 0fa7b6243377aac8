/**
 * How likely packs of eight codes are to span what they span, by three numbers of a channel.
 *
 * Packs have normal values about a centre of their own, and centres are normal too; half of the
 * packs are shifted.
 *
 * @module
 */

import { BALL_CODES, ballCells, ballOdds } from "./balls.ts";
import { normalBelow } from "./normal.ts";

/** Codes reach this many standard deviations from the mean. */
const REACH_DEVIATIONS = 3.2;
/** Cells that are rarer do not count. */
const PROBABILITY_MIN = 1e-6;

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

/** Where the least code begins among the halves of {@link OddsNode}, by how packs are shifted. */
const WHOLE = 1;
const EARLY = 2;
const LATE = 0;

/** A centre of packs. */
interface OddsNode {
  weight: number;
  /** How likely a value is to be below each half from the least code less 1 on. */
  below: Float64Array;
}

/** How likely packs of a channel are, by what they span. */
export interface PackOdds {
  /** The least code. */
  least: number;
  /** How many codes follow one another from it. */
  codeCount: number;
  /**
   * Of packs that no ball about code 0 has: f64 `[codeCount][codeCount]`, by how much their
   * greatest code is above their least one, and by their least code, from `least`.
   */
  probability: Float64Array;
  /** Of the others. */
  balls: readonly BallOdds[];
}

/** Packs with one least and one greatest code, from `least`, of one smallest ball. */
export interface BallOdds {
  low: number;
  high: number;
  ballBits: number;
  probability: number;
}

/**
 * What packs of a channel are likely to span.
 *
 * @param mean Of all values, in codes, from -0.5 to 0.5.
 * @param between Standard deviation of the centres of packs, in codes, positive.
 * @param within Standard deviation inside a pack, in codes, positive.
 */
export function packOdds(mean: number, between: number, within: number): PackOdds {
  const deviation = Math.sqrt(between * between + within * within);
  const reach = Math.ceil(REACH_DEVIATIONS * deviation + 1);
  const codeCount = 2 * reach + 1;
  const least = Math.round(mean) - reach;
  const nodes = NODES.map(([place, weight]) => {
    // Edges of codes lie at halves, those of shifted packs' at whole numbers.
    const below = Float64Array.from({ length: 2 * codeCount + 3 }, (_, half) => {
      return normalBelow((least - 1 + half / 2 - mean - place * between) / within);
    });
    return { weight, below };
  });
  const probability = pairOdds(nodes, codeCount);
  const ballNodes = nodes.map(({ weight, below }) => {
    const codes = (first: number) =>
      BALL_CODES.map((code) => {
        const half = 2 * (code - least) + first;
        return below[half + 2] - below[half];
      });
    return { weight, whole: codes(WHOLE), early: codes(EARLY), late: codes(LATE) };
  });
  const balls: BallOdds[] = [];
  ballOdds(ballNodes).forEach((odds, index) => {
    const { ballBits, ...codes } = ballCells()[index];
    const [low, high] = [codes.low - least, codes.high - least];
    if (odds <= PROBABILITY_MIN || low < 0 || high >= codeCount) return;
    balls.push({ low, high, ballBits, probability: odds });
    probability[(high - low) * codeCount + low] -= odds;
  });
  for (let pair = 0; pair < probability.length; pair++) {
    if (probability[pair] <= PROBABILITY_MIN) probability[pair] = 0;
  }
  return { least, codeCount, probability, balls };
}

/** Probability of each pair of codes as {@link PackOdds} has them. */
function pairOdds(nodes: readonly OddsNode[], codeCount: number): Float64Array {
  // inside[a][b]: all eight codes are a to b. One more row and column stay 0.
  const stride = codeCount + 1;
  const inside = new Float64Array(stride * stride);
  for (const { weight, below } of nodes) {
    for (let low = 0; low < codeCount; low++) {
      for (let high = low; high < codeCount; high++) {
        const span = (first: number) => below[2 * high + 2 + first] - below[2 * low + first];
        const packs = power(span(WHOLE), 8) + power(span(EARLY), 7) * span(LATE);
        inside[low * stride + high + 1] += weight * 0.5 * packs;
      }
    }
  }
  const probability = new Float64Array(codeCount * codeCount);
  for (let low = 0; low < codeCount; low++) {
    for (let high = low; high < codeCount; high++) {
      const own = low * stride + high + 1;
      probability[(high - low) * codeCount + low] = inside[own] - inside[own + stride] -
        inside[own - 1] +
        inside[own + stride - 1];
    }
  }
  return probability;
}

function power(one: number, exponent: 7 | 8): number {
  const square = one * one;
  const fourth = square * square;
  return exponent === 8 ? fourth * fourth : fourth * square * one;
}
