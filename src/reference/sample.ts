import type { SamplingOptions } from "../core/sampling.ts";

/** A token, and how clear the choice was. */
export interface SampleChoice {
  id: number;
  /**
   * Distance of the nearest decision (where top-p and min-p cut, which token the random number
   * falls on) to the point where it would turn, as a share of the mass it is about.
   */
  margin: number;
}

/**
 * Reference of `sample` for one row: sorts, f64 throughout. `logits` is `[vocabSize]`.
 */
export function sampleReference(
  logits: Float32Array,
  settings: SamplingOptions,
  position: number,
): SampleChoice {
  const { temperature, topK, topP, minP, seed } = settings;
  const ranking = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  const [top] = ranking;
  if (temperature < 1e-5 || topK === 1) return { id: top, margin: Infinity };
  const weight = (id: number) => Math.exp((logits[id] - logits[top]) / temperature);
  const sum = (ids: readonly number[]) => ids.reduce((total, id) => total + weight(id), 0);
  let margin = Infinity;
  let kept = topK > 0 ? ranking.slice(0, topK) : ranking;
  if (topP < 1) {
    const total = sum(kept);
    let cumulated = 0;
    let count = 0;
    while (count < kept.length && cumulated < topP * total) {
      margin = Math.min(margin, Math.abs(topP * total - cumulated) / total);
      cumulated += weight(kept[count++]);
    }
    margin = Math.min(margin, Math.abs(cumulated - topP * total) / total);
    kept = kept.slice(0, count);
  }
  for (const id of kept) margin = Math.min(margin, Math.abs(weight(id) / minP - 1));
  kept = kept.filter((id) => weight(id) >= minP || logits[id] === logits[top]);
  kept.sort((a, b) => a - b);
  const total = sum(kept);
  const share = randomShare(seed, position);
  let cumulated = 0;
  for (const id of kept) {
    const next = cumulated + weight(id) / total;
    if (share < next) {
      const distance = Math.min(next - share, cumulated > 0 ? share - cumulated : Infinity);
      return { id, margin: Math.min(margin, distance) };
    }
    cumulated = next;
  }
  return { id: kept[kept.length - 1], margin: 0 };
}

/** pcg2d (JCGT 9(3), 2020) of two u32, as a multiple of 2^-24 in [0, 1). */
export function randomShare(seed: number, position: number): number {
  let x = (Math.imul(seed, 1664525) + 1013904223) | 0;
  let y = (Math.imul(position, 1664525) + 1013904223) | 0;
  for (let round = 0; round < 2; round++) {
    x = (x + Math.imul(y, 1664525)) | 0;
    y = (y + Math.imul(x, 1664525)) | 0;
    x ^= x >>> 16;
    y ^= y >>> 16;
  }
  return (x >>> 8) / 2 ** 24;
}
