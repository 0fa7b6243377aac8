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
    /** As the kernel's; `softmax of used` if left out. */
    shares?: "softmax of used" | "softmax of all" | "sigmoid" | "sigmoid by sum";
    bundleSize: number;
  },
): ExpertRoutes {
  const { biases, usedCount, shareScale = 1, bundleSize } = options;
  const { shares: kind = "softmax of used" } = options;
  const isSigmoid = kind.startsWith("sigmoid");
  const expertCount = biases.length;
  const choices: number[] = [];
  const shares: number[] = [];
  for (let start = 0; start < logits.length; start += expertCount) {
    // The device adds in f32, and what it adds decides who is chosen.
    const own = Array.from(biases, (_, expert) => {
      return isSigmoid ? 1 / (1 + Math.exp(-logits[start + expert])) : logits[start + expert];
    });
    const scores = own.map((score, expert) => Math.fround(score + biases[expert]));
    const best = [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b);
    const chosen = best.slice(0, usedCount);
    const partOf = (expert: number) =>
      isSigmoid ? own[expert] : Math.exp(scores[expert] - scores[chosen[0]]);
    const summed = { "softmax of all": best, sigmoid: [] }[kind as string] ?? chosen;
    const sum = summed.reduce((total, expert) => total + partOf(expert), 0);
    choices.push(...chosen);
    shares.push(...chosen.map((expert) => shareScale * partOf(expert) / (sum || 1)));
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
