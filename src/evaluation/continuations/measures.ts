/** Tokens that are looked at together for repetition. */
const RUN_LENGTH = 4;

/** Tokens before the first that differs. */
export function sharedCount(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((id, at) => id !== b[at]);
  return index === -1 ? Math.min(a.length, b.length) : index;
}

/** Share of the runs of four tokens that stand in the text before, 0 to 1; 0 for short texts. */
export function repeatedShare(ids: readonly number[]): number {
  const seen = new Set<string>();
  let repeatedCount = 0;
  for (let start = 0; start + RUN_LENGTH <= ids.length; start++) {
    const run = ids.slice(start, start + RUN_LENGTH).join();
    if (seen.has(run)) repeatedCount++;
    seen.add(run);
  }
  const count = Math.max(1, ids.length - RUN_LENGTH + 1);
  return repeatedCount / count;
}
