/** ChunkKV and DBudgetKV as their papers have them: plain loops in f64. */

import type { PromptCounts, StoreScores } from "../../src/scheduler/keep/method.ts";

/**
 * arXiv:2502.00299, algorithm 1: chunks of the tokens before the window, each with the sum of its
 * tokens' attention; the best `budget - window` tokens' worth stay, with the window and the sinks.
 */
export function chunkKvReference(
  { sums }: StoreScores,
  { promptTokenCount, sealedTokenCount, sinkCount }: PromptCounts,
  { chunkSize, budget }: { chunkSize: number; budget: number },
): number[] {
  const chunkCount = Math.ceil(sealedTokenCount / chunkSize);
  const chunkScores: number[] = [];
  for (let chunk = 0; chunk < chunkCount; chunk++) {
    let score = 0;
    for (let i = 0; i < chunkSize; i++) {
      const token = chunk * chunkSize + i;
      if (token < sealedTokenCount) score += sums[token];
    }
    chunkScores.push(score);
  }
  const windowCount = promptTokenCount - sealedTokenCount;
  const left = budget - windowCount - sinkCount;
  const isKept = new Array<boolean>(sealedTokenCount).fill(false);
  for (let token = 0; token < Math.min(sinkCount, sealedTokenCount); token++) isKept[token] = true;
  for (let round = 0; round < Math.floor(left / chunkSize) && round < chunkCount; round++) {
    let best = -1;
    for (let chunk = 0; chunk < chunkCount; chunk++) {
      if (chunkScores[chunk] > (best < 0 ? -Infinity : chunkScores[best])) best = chunk;
    }
    chunkScores[best] = -Infinity;
    for (let i = 0; i < chunkSize; i++) {
      if (best * chunkSize + i < sealedTokenCount) isKept[best * chunkSize + i] = true;
    }
  }
  return [...isKept.keys()].filter((token) => isKept[token]);
}

/**
 * arXiv:2502.16886: tokens in the order of their importance, the least first; the longest prefix of
 * it goes whose loss keeps the mean norm of the last query's attention within `theta`.
 */
export function dBudgetKvReference(
  { sums, lastByHead }: StoreScores,
  { promptTokenCount, sealedTokenCount, sinkCount }: PromptCounts,
  { theta, rank }: { theta: number; rank: "position" | "attention" },
): number[] {
  const ranked: number[] = [];
  for (let token = sinkCount; token < sealedTokenCount; token++) ranked.push(token);
  if (rank === "attention") {
    // Insertion keeps the earlier of two that got the same in front.
    for (let i = 1; i < ranked.length; i++) {
      for (let j = i; j > 0 && sums[ranked[j - 1]] > sums[ranked[j]]; j--) {
        [ranked[j - 1], ranked[j]] = [ranked[j], ranked[j - 1]];
      }
    }
  }
  const meanNorm = (dropped: ReadonlySet<number>) => {
    let sum = 0;
    for (const attention of lastByHead) {
      let squares = 0;
      for (let token = 0; token < promptTokenCount; token++) {
        if (!dropped.has(token)) squares += attention[token] * attention[token];
      }
      sum += Math.sqrt(squares);
    }
    return sum / lastByHead.length;
  };
  const base = meanNorm(new Set());
  const dropped = new Set<number>();
  for (const token of ranked) {
    dropped.add(token);
    if ((base - meanNorm(dropped)) / base > theta) {
      dropped.delete(token);
      break;
    }
  }
  const kept: number[] = [];
  for (let token = 0; token < sealedTokenCount; token++) {
    if (!dropped.has(token)) kept.push(token);
  }
  return kept;
}

/**
 * arXiv:2407.21018, section 3.2: each head's channels by the Frobenius norm of `q_c k_c^T`, queries
 * of the window against keys of the prompt; the `floor(D ratio)` smallest go.
 *
 * @param queries By query of the window: `[queryHeadCount * headSize]`.
 * @param keys By token: `[kvHeadCount * headSize]`.
 * @returns Channels of K that stay, ascending.
 */
export function thinkReference(
  queries: readonly ArrayLike<number>[],
  keys: readonly ArrayLike<number>[],
  { headSize, ratio }: { headSize: number; ratio: number },
): number[] {
  const kept: number[] = [];
  const groupSize = queries[0].length / keys[0].length;
  for (let head = 0; head < keys[0].length / headSize; head++) {
    const norms: number[] = [];
    for (let channel = 0; channel < headSize; channel++) {
      let squares = 0;
      for (const query of queries) {
        for (let member = 0; member < groupSize; member++) {
          const q = query[(head * groupSize + member) * headSize + channel];
          for (const key of keys) squares += (q * key[head * headSize + channel]) ** 2;
        }
      }
      norms.push(Math.sqrt(squares));
    }
    const left = new Set(norms.keys());
    for (let round = 0; round < Math.floor(headSize * ratio); round++) {
      let least = -1;
      for (const channel of left) if (least < 0 || norms[channel] < norms[least]) least = channel;
      left.delete(least);
    }
    kept.push(...Array.from(left, (channel) => head * headSize + channel));
  }
  return kept;
}
