/** The text that a {@link FakeDevice} gives: each token is a hash of those its row reads. */

/** Tokens of a block. */
export const BLOCK = 64;

/** The token after `ids`: 0 (the end token) about once in `endPeriod` times. */
export function nextToken(ids: readonly number[], endPeriod: number): number {
  let hash = ids.length;
  for (const id of ids) hash = Math.imul(hash ^ id, 0x01000193) ^ (hash >>> 15);
  const value = (hash ^ (hash >>> 13)) >>> 0;
  return value % endPeriod === 0 ? 0 : 1 + value % 5000;
}

/** All tokens a request must produce, the end token left out. */
export function expectedTokens(
  promptIds: readonly number[],
  options: {
    maxTokens: number;
    ignoreEos: boolean;
    endPeriod: number;
    /** Tokens of a block that are read behind the window; all if left out. */
    keptCount?: (blockIndex: number) => number;
  },
): number[] {
  const { keptCount = () => BLOCK } = options;
  const ids = [...promptIds];
  while (ids.length < promptIds.length + options.maxTokens) {
    const visible = visibleIds(ids, keptCount);
    const id = nextToken(visible, options.endPeriod);
    if (id === 0 && !options.ignoreEos) break;
    ids.push(id);
  }
  return ids.slice(promptIds.length);
}

/** What the row of the last token reads: kept blocks, then the window. */
function visibleIds(ids: readonly number[], keptCount: (blockIndex: number) => number): number[] {
  const firstWindowBlock = windowBlockAt(ids.length - 1);
  return ids.filter((_, position) => {
    const block = Math.floor(position / BLOCK);
    return block >= firstWindowBlock || position % BLOCK < keptCount(block);
  });
}

/** First block of the window of a row. */
export function windowBlockAt(position: number): number {
  return Math.max(0, Math.floor(position / BLOCK) - 2);
}
