/** A mean, and half the width of its interval of 95%: 1.96 standard errors. */
export interface Interval {
  mean: number;
  margin: number;
}

/** The mean of some numbers and half the width of its interval of 95%. */
export function interval(values: readonly number[]): Interval {
  const mean = average(values);
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const variance = square / Math.max(1, values.length - 1);
  return { mean, margin: 1.96 * Math.sqrt(variance / values.length) };
}

/** The mean of some numbers. */
export function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
