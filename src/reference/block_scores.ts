/** Heads whose queries score blocks. */
export interface ScoresShape {
  kvHeadCount: number;
  queryHeadCount: number;
  headSize: number;
}

/**
 * Reference of `shaders/block_scores/summary.wgsl`, in f64, for one row and block.
 *
 * @param query `[queryHeadCount * headSize]`.
 * @param pairs What is kept of the block, `[kvHeadCount * headSize][2]`.
 * @returns By KV head.
 */
export function blockScoresReference(
  shape: ScoresShape,
  kind: "range" | "clusters",
  { query, pairs }: { query: ArrayLike<number>; pairs: ArrayLike<number> },
): number[] {
  const { kvHeadCount, queryHeadCount, headSize } = shape;
  const scores = new Array<number>(kvHeadCount).fill(-Infinity);
  for (let head = 0; head < queryHeadCount; head++) {
    const kvHead = Math.floor(head / (queryHeadCount / kvHeadCount));
    let [bound, first, second] = [0, 0, 0];
    for (let channel = 0; channel < headSize; channel++) {
      const value = query[head * headSize + channel];
      const place = 2 * (kvHead * headSize + channel);
      bound += Math.max(value * pairs[place], value * pairs[place + 1]);
      first += value * pairs[place];
      second += value * pairs[place + 1];
    }
    const score = kind === "range" ? bound : Math.max(first, second);
    scores[kvHead] = Math.max(scores[kvHead], score);
  }
  return scores;
}

/**
 * Reference of `shaders/block_scores/attention.wgsl`, in f64, for one row.
 *
 * @param query `[queryHeadCount * headSize]`.
 * @param keys Of all tokens that the row sees, `[kvHeadCount * headSize]` each.
 * @param blockOf The block of each token; null for those in the window.
 * @returns By KV head, then by block.
 */
export function blockAttentionReference(
  shape: ScoresShape & { softCap?: number | null },
  { query, keys, blockOf, blockCount }: {
    query: ArrayLike<number>;
    keys: readonly ArrayLike<number>[];
    blockOf: readonly (number | null)[];
    blockCount: number;
  },
): number[][] {
  const { kvHeadCount, queryHeadCount, headSize, softCap = null } = shape;
  const shares = Array.from({ length: kvHeadCount }, () => new Array<number>(blockCount).fill(0));
  for (let head = 0; head < queryHeadCount; head++) {
    const kvHead = Math.floor(head / (queryHeadCount / kvHeadCount));
    const scores = keys.map((key) => {
      let sum = 0;
      for (let channel = 0; channel < headSize; channel++) {
        sum += query[head * headSize + channel] * key[kvHead * headSize + channel];
      }
      const score = sum / Math.sqrt(headSize);
      return softCap === null ? score : softCap * Math.tanh(score / softCap);
    });
    const peak = scores.reduce((most, score) => Math.max(most, score), -Infinity);
    const weights = scores.map((score) => Math.exp(score - peak));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    weights.forEach((weight, token) => {
      const block = blockOf[token];
      if (block !== null) shares[kvHead][block] += weight / total;
    });
  }
  return shares;
}
