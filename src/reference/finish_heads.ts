/** Sizes and steps of {@link finishHeadsReference}. */
export interface FinishHeadsReferenceOptions {
  queryHeadCount: number;
  kvHeadCount: number;
  headSize: number;
  /** `[heads, headSize]`. */
  shifts: ArrayLike<number>;
  /** `[query and key heads, headSize]`. */
  gains: ArrayLike<number>;
  norm: { over: "head" | "row"; epsilon: number } | null;
  /** Of a norm of each value head, without weights; none if null or left out. */
  valueEpsilon?: number | null;
  /** Queries are multiplied by `1 + factor * ln(1 + floor(position / length))`. */
  temperature?: { factor: number; length: number } | null;
  /** Of the row. */
  position?: number;
  /** `[headSize / 2, 2]`: cosine and sine of each pair of neighbouring channels. */
  turns: ArrayLike<number>;
}

/**
 * Reference of `shaders/finish_heads/head.wgsl` for one row, in f64.
 *
 * @param heads `[queryHeadCount + 2 * kvHeadCount, headSize]`.
 * @returns The same heads, finished: queries and keys are normed and turned.
 */
export function finishHeadsReference(
  heads: ArrayLike<number>,
  options: FinishHeadsReferenceOptions,
): Float64Array {
  const { queryHeadCount, kvHeadCount, headSize, shifts, gains, norm, turns } = options;
  const values = Float64Array.from(heads, (value, i) => value + shifts[i]);
  const queryEnd = queryHeadCount * headSize;
  const keyEnd = queryEnd + kvHeadCount * headSize;
  const queries = values.subarray(0, queryEnd);
  const keys = values.subarray(queryEnd, keyEnd);
  for (const heads of [queries, keys]) {
    if (norm === null) break;
    const size = norm.over === "head" ? headSize : heads.length;
    for (let start = 0; start < heads.length; start += size) {
      normalise(heads.subarray(start, start + size), norm.epsilon);
    }
  }
  for (let i = 0; i < keyEnd; i++) values[i] *= gains[i];
  for (let i = 0; i < keyEnd; i += 2) {
    const [cos, sin] = [turns[i % headSize], turns[i % headSize + 1]];
    const [a, b] = [values[i], values[i + 1]];
    values[i] = a * cos - b * sin;
    values[i + 1] = a * sin + b * cos;
  }
  const { temperature, position = 0, valueEpsilon = null } = options;
  for (let start = keyEnd; valueEpsilon !== null && start < values.length; start += headSize) {
    normalise(values.subarray(start, start + headSize), valueEpsilon);
  }
  if (temperature) {
    const lengths = 1 + Math.floor(position / temperature.length);
    const growth = 1 + temperature.factor * Math.log(lengths);
    for (let i = 0; i < queryEnd; i++) values[i] *= growth;
  }
  return values;
}

function normalise(values: Float64Array, epsilon: number): void {
  const meanSquare = values.reduce((sum, value) => sum + value * value, 0) / values.length;
  const factor = 1 / Math.sqrt(meanSquare + epsilon);
  for (let i = 0; i < values.length; i++) values[i] *= factor;
}
