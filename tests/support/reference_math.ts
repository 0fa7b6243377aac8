/** Functions of numbers that the reference model is made of, in f64. */

import type { FeedForwardPlan, RopePlan, TemperaturePlan } from "../../src/model/plan.ts";

/** Heads turned by position. Su et al. 2021, arXiv:2104.09864. */
export function turnedHeads(
  heads: Float64Array,
  { rope, headSize, factors, position }: {
    rope: RopePlan;
    headSize: number;
    factors: Float32Array | null;
    position: number;
  },
): Float64Array {
  const turned = heads.slice();
  for (let start = 0; start < heads.length; start += headSize) {
    for (let pair = 0; 2 * pair < rope.dimension; pair++) {
      const angle = position * frequencyOf(rope, pair) / (factors?.[pair] ?? 1);
      const cos = rope.magnitude * Math.cos(angle);
      const sin = rope.magnitude * Math.sin(angle);
      const areNeighbours = rope.pairing === "neighbours";
      const first = start + (areNeighbours ? 2 * pair : pair);
      const second = first + (areNeighbours ? 1 : rope.dimension / 2);
      const [a, b] = [heads[first], heads[second]];
      turned[first] = a * cos - b * sin;
      turned[second] = a * sin + b * cos;
    }
  }
  return turned;
}

/** What gates make of what they gate. */
export function gatedBy(
  gate: Float64Array,
  up: Float64Array,
  { activation }: Pick<FeedForwardPlan, "activation">,
): Float64Array {
  if (activation === "clamped") {
    return gate.map((value, i) => {
      const kept = Math.min(value, 7);
      return kept / (1 + Math.exp(-1.702 * kept)) * (Math.min(Math.max(up[i], -7), 7) + 1);
    });
  }
  const activate = activation === "silu" ? silu : gelu;
  return gate.map((value, i) => activate(value) * up[i]);
}

/** Radians per position of a pair. YaRN is arXiv:2309.00071, section 3.2. */
export function frequencyOf(
  { base, dimension, positionScale, yarn }: RopePlan,
  pair: number,
): number {
  const own = base ** (-2 * pair / dimension);
  if (yarn === null) return own / positionScale;
  /** The pair that turns `count` times in the original context. */
  const pairOf = (count: number) =>
    Math.log(yarn.originalContextLength / (2 * Math.PI * count)) / Math.log(base) * dimension / 2;
  const first = Math.max(Math.floor(pairOf(yarn.betaFast)), 0);
  const last = Math.min(Math.ceil(pairOf(yarn.betaSlow)), dimension - 1);
  const scaled = Math.min(Math.max((pair - first) / Math.max(last - first, 0.001), 0), 1);
  return own * (1 - scaled) + own / positionScale * scaled;
}

/** What queries at a position are multiplied by. */
export function temperatureAt(plan: TemperaturePlan | null, position: number): number {
  return plan === null ? 1 : 1 + plan.factor * Math.log(1 + Math.floor(position / plan.length));
}

/** Adds `y` to `x`. */
export function add(x: Float64Array, y: ArrayLike<number>): void {
  for (let i = 0; i < x.length; i++) x[i] += y[i];
}

/** `cap * tanh(value / cap)`; the value itself without a cap. */
export function capped(value: number, cap: number | null): number {
  return cap === null ? value : cap * Math.tanh(value / cap);
}

function silu(value: number): number {
  return value / (1 + Math.exp(-value));
}

/** The approximation by tanh, as models use it. Hendrycks & Gimpel 2016, arXiv:1606.08415. */
export function gelu(value: number): number {
  const inner = Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3);
  return value / 2 * (1 + Math.tanh(inner));
}
