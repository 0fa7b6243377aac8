/**
 * Which seven bands save a channel most bits, by what its packs are likely to span.
 *
 * @module
 */

import { type Band, BAND_COUNT, FULL_BAND } from "../codec/banded/band.ts";
import { LEVELS, unitBits } from "../codec/banded/levels.ts";
import { BALL_BITS_MAX } from "../codec/banded/points.ts";
import { BALL_CODE_COUNT } from "./balls.ts";
import type { PackOdds } from "./pack_odds.ts";

/** Levels of a range that is chosen; the full band holds what is wider. */
const BAND_LEVELS = LEVELS.filter((levels) => levels <= 32);
const FULL_BITS = unitBits(FULL_BAND.levels);

/** A band and what it saves beside others. */
interface Offer {
  band: Band;
  saved: number;
}

/** Bits of packs by the bands that hold them. */
interface HeldBits {
  /** As {@link PackOdds.probability}. */
  pairs: Float64Array;
  /** As {@link PackOdds.balls}. */
  balls: Float64Array;
}

/**
 * Seven bands: each in turn the one that saves most bits beside those before it, and once more in
 * turn the one that saves most beside all others.
 *
 * @returns Ranges by their least code, and balls about code 0.
 */
export function chooseBands(odds: PackOdds): Band[] {
  const held = {
    pairs: new Float64Array(odds.probability.length),
    balls: new Float64Array(odds.balls.length),
  };
  const chosen: Band[] = [];
  const choose = (place: number) => {
    held.pairs.fill(FULL_BITS);
    held.balls.fill(FULL_BITS);
    chosen.forEach((band, index) => {
      if (index !== place) hold(odds, band, held);
    });
    const range = bestRange(odds, held);
    const ball = bestBall(odds, held);
    chosen[place] = ball.saved > range.saved ? ball.band : range.band;
  };
  for (let place = 0; place < BAND_COUNT - 1; place++) choose(place);
  for (let place = 0; place < BAND_COUNT - 1; place++) choose(place);
  return chosen;
}

/** Bits of packs where a band is one of theirs. */
function hold({ least, codeCount, balls }: PackOdds, band: Band, held: HeldBits) {
  if ("ballBits" in band) {
    balls.forEach(({ ballBits }, index) => {
      if (ballBits <= band.ballBits) held.balls[index] = Math.min(held.balls[index], band.ballBits);
    });
    return;
  }
  const bits = unitBits(band.levels);
  const first = band.least - least;
  const end = Math.min(first + band.levels, codeCount);
  for (let span = 0; span < end - first; span++) {
    for (let low = first; low + span < end; low++) {
      const pair = span * codeCount + low;
      if (held.pairs[pair] > bits) held.pairs[pair] = bits;
    }
  }
  balls.forEach(({ low, high }, index) => {
    if (first <= low && high < end) held.balls[index] = Math.min(held.balls[index], bits);
  });
}

function bestRange(odds: PackOdds, held: HeldBits): Offer {
  const { least, codeCount, probability } = odds;
  let best = { first: 0, levels: BAND_LEVELS[0], saved: -1 };
  // By a range of one more code, of as many, and of one fewer, by the least code. The last stays 0.
  let [wider, saved, narrower] = [0, 0, 0].map(() => new Float64Array(codeCount + 1));
  const ofBalls = new Float64Array(BALL_CODE_COUNT * codeCount);
  for (const levels of BAND_LEVELS) {
    const bits = unitBits(levels);
    addBalls(odds, held, { bits, sums: ofBalls });
    saved.fill(0);
    narrower.fill(0);
    const width = Math.min(levels, codeCount);
    for (let span = 0; span < width; span++) {
      for (let low = 0; low + span < codeCount; low++) {
        const pair = span * codeCount + low;
        let own = span < BALL_CODE_COUNT ? ofBalls[pair] : 0;
        if (held.pairs[pair] > bits) own += probability[pair] * (held.pairs[pair] - bits);
        wider[low] = own + saved[low] + saved[low + 1] - narrower[low + 1];
      }
      [narrower, saved, wider] = [saved, wider, narrower];
    }
    for (let first = 0; first + width <= codeCount; first++) {
      if (saved[first] > best.saved) best = { first, levels, saved: saved[first] };
    }
  }
  const { first, levels, saved: most } = best;
  return { band: { least: least + first, levels }, saved: most };
}

/** What bits save of packs of balls, by the least and the greatest code. */
function addBalls(
  { codeCount, balls }: PackOdds,
  held: HeldBits,
  { bits, sums }: { bits: number; sums: Float64Array },
) {
  sums.fill(0);
  for (let index = 0; index < balls.length; index++) {
    if (held.balls[index] <= bits) continue;
    const { low, high, probability } = balls[index];
    sums[(high - low) * codeCount + low] += probability * (held.balls[index] - bits);
  }
}

function bestBall({ balls }: PackOdds, held: HeldBits): Offer {
  let best = { ballBits: 0, saved: -1 };
  for (let ballBits = 0; ballBits <= BALL_BITS_MAX; ballBits++) {
    const saved = balls.reduce((sum, ball, index) => {
      const isLess = ball.ballBits <= ballBits && held.balls[index] > ballBits;
      return isLess ? sum + ball.probability * (held.balls[index] - ballBits) : sum;
    }, 0);
    if (saved > best.saved) best = { ballBits, saved };
  }
  return { band: { middle: 0, ballBits: best.ballBits }, saved: best.saved };
}
