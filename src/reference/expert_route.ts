/** What {@link expertRouteReference} gives. */
export interface ExpertRoutes {
  /** `[rows, used]`, best first. */
  choices: number[];
  /** `[rows, used]`. */
  shares: number[];
  /** Visits `row * used + rank` that go through one expert together, by expert. */
  bundles: { expert: number; visits: number[] }[];
}

/** `SUM_MIN` of the kernel. */
const SUM_MIN = 2 ** -14;

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
    /** Experts of how many of `count` equal groups are chosen; all if left out. */
    groups?: { count: number; usedCount: number } | null;
    bundleSize: number;
  },
): ExpertRoutes {
  const { biases, usedCount, shareScale = 1, groups = null, bundleSize } = options;
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
    const chosen = best.filter(inBestGroups(scores, groups)).slice(0, usedCount);
    const partOf = (expert: number) =>
      isSigmoid ? own[expert] : Math.exp(scores[expert] - scores[chosen[0]]);
    const summed = kind === "softmax of all" ? best : chosen;
    const sum = summed.reduce((total, expert) => total + partOf(expert), 0);
    const divisor = kind === "sigmoid" ? 1 : Math.max(sum, SUM_MIN);
    choices.push(...chosen);
    shares.push(...chosen.map((expert) => shareScale * partOf(expert) / divisor));
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

/**
 * Whether an expert is of the groups with the highest sums of their two highest scores; all are
 * where there are no groups. DeepSeek-V3, arXiv:2412.19437, section 2.1.2.
 */
export function inBestGroups(
  scores: ArrayLike<number>,
  groups: { count: number; usedCount: number } | null,
): (expert: number) => boolean {
  if (groups === null) return () => true;
  const { count, usedCount } = groups;
  const size = scores.length / count;
  const sums = Array.from({ length: count }, (_, group) => {
    const own = Array.from(scores).slice(group * size, (group + 1) * size);
    const [best, second] = own.sort((a, b) => b - a);
    return Math.fround(best + second);
  });
  const ranked = [...sums.keys()].sort((a, b) => sums[b] - sums[a] || a - b);
  const used = ranked.slice(0, usedCount);
  return (expert) => used.includes(Math.floor(expert / size));
}
