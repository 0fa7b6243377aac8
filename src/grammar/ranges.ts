/**
 * Sets of code points (or of any whole numbers) as sorted ranges.
 *
 * @module
 */

/** Both ends belong to it. */
export type Range = readonly [first: number, last: number];

export const CODE_POINT_MAX = 0x10ffff;
/** Every code point; halves of surrogate pairs are no characters. */
export const ANY_CODE: readonly Range[] = [[0, 0xd7ff], [0xe000, CODE_POINT_MAX]];

/** The ranges of all, sorted, without overlaps. */
export function union(...sets: readonly (readonly Range[])[]): Range[] {
  const sorted = sets.flat().sort(([a], [b]) => a - b);
  const result: [number, number][] = [];
  for (const [first, last] of sorted) {
    const before = result.at(-1);
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else result.push([first, last]);
  }
  return result;
}

/** What is in both. */
export function common(a: readonly Range[], b: readonly Range[]): Range[] {
  return union(a.flatMap(([firstA, lastA]) =>
    b.flatMap(([firstB, lastB]): Range[] => {
      const [first, last] = [Math.max(firstA, firstB), Math.min(lastA, lastB)];
      return first <= last ? [[first, last]] : [];
    })
  ));
}

/** Every code point that is in none of the ranges. */
export function others(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  let next = 0;
  for (const [first, last] of union(ranges)) {
    if (first > next) result.push([next, first - 1]);
    next = last + 1;
  }
  return common(next > CODE_POINT_MAX ? result : [...result, [next, CODE_POINT_MAX]], ANY_CODE);
}

/** The sets cut so that each two are the same or have nothing in common. */
export function parts(sets: readonly (readonly Range[])[]): Range[] {
  const cuts = new Set<number>();
  for (const [first, last] of sets.flat()) cuts.add(first).add(last + 1);
  const sorted = [...cuts].sort((a, b) => a - b);
  return sorted.slice(1).map((cut, index) => [sorted[index], cut - 1] as const);
}
