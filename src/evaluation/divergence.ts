/**
 * How far the next-token distribution of one cache is from that of the exact one, accumulated over
 * positions: Kullback-Leibler divergence, same top token, and both perplexities.
 *
 * @module
 */

import { logSumExp } from "../core/log_sum_exp.ts";
import { type ExactRow, rowSums } from "./exact_row.ts";

/** Means over the positions that were added. */
export interface DivergenceSummary {
  positionCount: number;
  /** Mean of `KL(exact || other)` in nats. */
  klMean: number;
  /** The KL that half, 99% and 99.9% of the positions stay at or below. */
  klPercentiles: { p50: number; p99: number; p999: number };
  /** Share of positions where both have the same most likely token, 0 to 1. */
  sameTop: number;
  /** Perplexity of the text under the other cache. */
  perplexity: number;
  /** Perplexity of the text under the exact cache. */
  perplexityExact: number;
}

/** Accumulates positions; f64 throughout. */
export class Divergence {
  #kls: number[] = [];
  #isSameTop: boolean[] = [];
  #logProbs: number[] = [];
  #logProbsExact: number[] = [];

  /**
   * Adds one position.
   *
   * @param exact Distribution under the exact cache.
   * @param other Logits under the other cache, `[vocabSize]`.
   * @param targetId The token that follows in the text.
   */
  add(exact: ExactRow, other: Float32Array, targetId: number): void {
    const { logSum, topId } = logSumExp(other);
    const { entropy, otherMean } = rowSums(exact, other);
    // Rounding of f64 may leave a negative number near zero; a divergence is none.
    this.#kls.push(Math.max(0, entropy - otherMean + logSum));
    this.#isSameTop.push(exact.topId === topId);
    this.#logProbs.push(other[targetId] - logSum);
    this.#logProbsExact.push(exact.targetLogProb);
  }

  /** Which position, in the order they were added, has the largest KL; the first of equal ones. */
  worst(): { index: number; kl: number } {
    const index = this.#kls.reduce((best, kl, at) => kl > this.#kls[best] ? at : best, 0);
    return { index, kl: this.#kls[index] };
  }

  /** The means of the first `count` positions; of all if left out. */
  summary(count: number = this.#kls.length): DivergenceSummary {
    const sorted = this.#kls.slice(0, count).sort((a, b) => a - b);
    const perplexity = (logProbs: readonly number[]) => Math.exp(-mean(logProbs.slice(0, count)));
    return {
      positionCount: count,
      klMean: mean(sorted),
      klPercentiles: {
        p50: percentile(sorted, 0.5),
        p99: percentile(sorted, 0.99),
        p999: percentile(sorted, 0.999),
      },
      sameTop: mean(this.#isSameTop.slice(0, count).map(Number)),
      perplexity: perplexity(this.#logProbs),
      perplexityExact: perplexity(this.#logProbsExact),
    };
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The smallest value that at least `share` of the ascending `sorted` do not exceed. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}
