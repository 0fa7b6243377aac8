/** Sizes and steps of {@link finishLatentReference}. */
export interface FinishLatentReferenceOptions {
  queryHeadCount: number;
  headSize: number;
  rank: number;
  turnedSize: number;
  scale: number;
  epsilon: number;
  /** `[rank]`. */
  gains: ArrayLike<number>;
  /** `[headSize / 2, 2]`: cosine and sine of each pair of neighbouring channels. */
  turns: ArrayLike<number>;
}

/**
 * Reference of `shaders/finish_latent/row.wgsl` for one row, in f64.
 *
 * @param parts `absorbed`: `[queryHeadCount, rank]`. `turned`: `[queryHeadCount, turnedSize]`.
 * `latent`: `[rank + turnedSize]`.
 * @returns Queries `[queryHeadCount, 2 * headSize]`, and the latent `[2 * headSize]`.
 */
export function finishLatentReference(
  parts: { absorbed: ArrayLike<number>; turned: ArrayLike<number>; latent: ArrayLike<number> },
  options: FinishLatentReferenceOptions,
): { queries: Float64Array; latent: Float64Array } {
  const { queryHeadCount, headSize, rank, turnedSize, scale, epsilon, gains } = options;
  const width = 2 * headSize;
  const queries = new Float64Array(queryHeadCount * width);
  for (let head = 0; head < queryHeadCount; head++) {
    const own = turn(slice(parts.turned, head * turnedSize, turnedSize), options);
    const rest = slice(parts.absorbed, head * rank, rank);
    [...own, ...rest].forEach((value, i) => queries[head * width + i] = scale * value);
  }
  const content = slice(parts.latent, 0, rank);
  const meanSquare = content.reduce((sum, value) => sum + value * value, 0) / rank;
  const factor = 1 / Math.sqrt(meanSquare + epsilon);
  const latent = new Float64Array(width);
  latent.set(turn(slice(parts.latent, rank, turnedSize), options));
  content.forEach((value, i) => latent[turnedSize + i] = value * factor * gains[i]);
  return { queries, latent };
}

function slice(values: ArrayLike<number>, start: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => values[start + i]);
}

function turn(values: number[], { turns }: FinishLatentReferenceOptions): number[] {
  return values.map((value, i) => {
    const [cos, sin] = [turns[i - i % 2], turns[i - i % 2 + 1]];
    return i % 2 === 0 ? value * cos - values[i + 1] * sin : values[i - 1] * sin + value * cos;
  });
}
