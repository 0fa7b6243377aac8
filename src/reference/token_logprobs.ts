import type { TokenLogprobs } from "../core/sampling.ts";

/** Reference of `shaders/token_logprobs/row.wgsl` for one row. `logits` is `[vocabSize]`. */
export function tokenLogprobsReference(
  logits: Float32Array,
  id: number,
  topCount: number,
): TokenLogprobs {
  const ranking = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  const top = logits[ranking[0]];
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - top);
  const logprobOf = (each: number) => logits[each] - top - Math.log(sum);
  return {
    id,
    logprob: logprobOf(id),
    top: ranking.slice(0, topCount).map((each) => ({ id: each, logprob: logprobOf(each) })),
  };
}
