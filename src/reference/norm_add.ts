/**
 * Reference of `shaders/norm_add/row.wgsl`, in f64: `x + weight * given / rms(given)` per row,
 * times the factor.
 *
 * @param x `[rows, columns]`.
 * @param given `[rows, columns]`.
 * @param norm `weight`: `[columns]`.
 */
export function normAddReference(
  x: ArrayLike<number>,
  given: ArrayLike<number>,
  norm: { weight: ArrayLike<number>; epsilon: number; factor?: number },
): Float64Array {
  const { weight, epsilon, factor: sumFactor = 1 } = norm;
  const columnCount = weight.length;
  const sum = Float64Array.from(x);
  for (let start = 0; start < sum.length; start += columnCount) {
    let square = 0;
    for (let i = 0; i < columnCount; i++) square += given[start + i] ** 2;
    const factor = 1 / Math.sqrt(square / columnCount + epsilon);
    for (let i = 0; i < columnCount; i++) {
      sum[start + i] += given[start + i] * factor * weight[i];
      sum[start + i] *= sumFactor;
    }
  }
  return sum;
}
