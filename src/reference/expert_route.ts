/** What {@link expertRouteReference} gives. */
export interface ExpertRoutes {
  /** `[rows, used]`, best first. */
  choices: number[];
  /** `[rows, used]`. */
  shares: number[];
  /** Visits `row * used + rank` that go through one expert together, by expert. */
  bundles: { expert: number; visits: number[] }[];
}

/**
 * CPU twin of `shaders/expert_route/rows.wgsl`, in f64.
 *
 * @param logits `[rows, experts]`.
 * @param options `biases`: `[experts]`. `bundleSize`: visits of a bundle at most.
 */
export function expertRouteReference(
  logits: ArrayLike<number>,
  options: {
    biases: ArrayLike<number>;
    usedCount: number;
    shareScale?: number;
    bundleSize: number;
  },
): ExpertRoutes {
  const { biases, usedCount, shareScale = 1, bundleSize } = options;
  const expertCount = biases.length;
  const choices: number[] = [];
  const shares: number[] = [];
  for (let start = 0; start < logits.length; start += expertCount) {
    // The device adds in f32, and what it adds decides who is chosen.
    const scores = Array.from(biases, (bias, expert) => Math.fround(logits[start + expert] + bias));
    const best = [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b);
    const chosen = best.slice(0, usedCount);
    const parts = chosen.map((expert) => Math.exp(scores[expert] - scores[chosen[0]]));
    const total = parts.reduce((sum, part) => sum + part, 0);
    choices.push(...chosen);
    shares.push(...parts.map((part) => shareScale * part / total));
  }
  const bundles: ExpertRoutes["bundles"] = [];
  for (let expert = 0; expert < expertCount; expert++) {
    const visits = [...choices.keys()].filter((visit) => choices[visit] === expert);
    for (let first = 0; first < visits.length; first += bundleSize) {
      bundles.push({ expert, visits: visits.slice(first, first + bundleSize) });
    }
  }
  return { choices, shares, bundles };
}
