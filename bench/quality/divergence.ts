/**
 * How far the next-token distribution of one cache is from that of another, accumulated over
 * positions: mean Kullback-Leibler divergence, same top token, and both perplexities.
 *
 * @module
 */

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
  #sameTopCount = 0;
  #logProbSum = 0;
  #logProbExactSum = 0;

  /**
   * Adds one position.
   *
   * @param exact Logits under the exact cache, `[vocabSize]`.
   * @param other Logits under the other cache, `[vocabSize]`.
   * @param targetId The token that follows in the text.
   */
  add(exact: Float32Array, other: Float32Array, targetId: number): void {
    const normExact = logSumExp(exact);
    const normOther = logSumExp(other);
    let kl = 0;
    for (let id = 0; id < exact.length; id++) {
      const logProb = exact[id] - normExact.logSum;
      kl += Math.exp(logProb) * (logProb - (other[id] - normOther.logSum));
    }
    this.#kls.push(kl);
    if (normExact.topId === normOther.topId) this.#sameTopCount++;
    this.#logProbExactSum += exact[targetId] - normExact.logSum;
    this.#logProbSum += other[targetId] - normOther.logSum;
  }

  /** The means so far. */
  summary(): DivergenceSummary {
    const count = this.#kls.length;
    const sorted = this.#kls.toSorted((a, b) => a - b);
    return {
      positionCount: count,
      klMean: this.#kls.reduce((sum, kl) => sum + kl, 0) / count,
      klPercentiles: {
        p50: percentile(sorted, 0.5),
        p99: percentile(sorted, 0.99),
        p999: percentile(sorted, 0.999),
      },
      sameTop: this.#sameTopCount / count,
      perplexity: Math.exp(-this.#logProbSum / count),
      perplexityExact: Math.exp(-this.#logProbExactSum / count),
    };
  }
}

/** The smallest value that at least `share` of the ascending `sorted` do not exceed. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/** `log(sum(exp(logits)))` and the lowest index of the largest logit. */
export function logSumExp(logits: Float32Array): { logSum: number; topId: number } {
  let topId = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id] > logits[topId]) topId = id;
  const top = logits[topId];
  let sum = 0;
  for (let id = 0; id < logits.length; id++) sum += Math.exp(logits[id] - top);
  return { logSum: top + Math.log(sum), topId };
}
