/**
 * CPU twin of `shaders/expert_sum/row.wgsl`, in f64: `x + factor * sum of shares * given`.
 *
 * @param x `[rows, columns]`.
 * @param options `given`: `[rows, used, columns]`. `shares`: `[rows, used]`.
 */
export function expertSumReference(
  x: ArrayLike<number>,
  options: {
    given: ArrayLike<number>;
    shares: ArrayLike<number>;
    usedCount: number;
    factor: number;
  },
): Float64Array {
  const { given, shares, usedCount, factor } = options;
  const columnCount = x.length * usedCount / shares.length;
  const sum = Float64Array.from(x);
  for (let visit = 0; visit < shares.length; visit++) {
    const start = Math.floor(visit / usedCount) * columnCount;
    for (let i = 0; i < columnCount; i++) {
      sum[start + i] += factor * shares[visit] * given[visit * columnCount + i];
    }
  }
  return sum;
}
