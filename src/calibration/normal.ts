/**
 * The normal distribution from IEEE 754 additions, products and quotients alone: the same bits on
 * every platform, which the exponential of `Math` does not promise.
 *
 * @module
 */

/** Beyond it the distribution is 0 or 1 in f64. */
const ARGUMENT_MAX = 8.5;
const LN_2 = 0.6931471805599453;
const INVERSE_SQRT_2_PI = 0.3989422804014327;
const EXP_TERM_COUNT = 16;

/** `exp(-x)` for `x` from 0 to 40, to a relative 1e-14. */
function exponentialOfNegative(x: number): number {
  const halvings = Math.round(x / LN_2);
  const rest = halvings * LN_2 - x;
  let term = 1;
  let sum = 1;
  for (let index = 1; index <= EXP_TERM_COUNT; index++) {
    term *= rest / index;
    sum += term;
  }
  for (let index = 0; index < halvings; index++) sum /= 2;
  return sum;
}

/** Probability that a standard normal variable is at most `x`, to an absolute 1e-14. */
export function normalBelow(x: number): number {
  if (x > ARGUMENT_MAX) return 1;
  if (x < -ARGUMENT_MAX) return 0;
  // 1/2 + phi(x) (x + x^3 / 3 + x^5 / (3 * 5) + ...): Abramowitz & Stegun 26.2.11.
  const square = x * x;
  let term = x;
  let sum = x;
  for (let odd = 3; Math.abs(term) > 1e-17 * Math.abs(sum); odd += 2) {
    term *= square / odd;
    sum += term;
  }
  return 0.5 + INVERSE_SQRT_2_PI * exponentialOfNegative(square / 2) * sum;
}
