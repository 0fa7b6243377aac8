/** The middle one; of an even number, the mean of both in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const last = sorted.length - 1;
  return (sorted[last >> 1] + sorted[(last + 1) >> 1]) / 2;
}
