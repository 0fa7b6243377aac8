import type { TokenLogprobs } from "../core/sampling.ts";
import { readLogprobs } from "../kernels/token_logprobs/row.ts";
import type { LogprobReport } from "../model/forward_graph.ts";
import type { StepPlan } from "../scheduler/step_plan.ts";

/** Log-probabilities that a step gives. */
export interface StepReports {
  /** By slot: of the token sampled, where it was asked for. */
  logprobs: ReadonlyMap<number, TokenLogprobs>;
  /** Of the tokens that follow the rows of the slice, where they were asked for. */
  promptLogprobs: readonly TokenLogprobs[];
}

/** What words of the host say of the rows that were reported on. */
export function readReports(
  reports: readonly LogprobReport[],
  words: Uint32Array,
): StepReports {
  const logprobs = new Map<number, TokenLogprobs>();
  const promptLogprobs: TokenLogprobs[] = [];
  let index = 0;
  for (const { kind, rows } of reports) {
    for (const { slot, topCount } of rows) {
      const report = readLogprobs(words, index++, topCount);
      if (kind === "token") logprobs.set(slot, report);
      else promptLogprobs.push(report);
    }
  }
  return { logprobs, promptLogprobs };
}

/** Log-probabilities of the tokens that a step sampled, by sequence, where they were asked for. */
export function logprobsBySequence(
  { decodes, slice }: StepPlan,
  { logprobs }: StepReports,
): ReadonlyMap<number, TokenLogprobs> {
  const rows = slice ? [...decodes, slice] : decodes;
  return new Map(rows.flatMap(({ sequenceId, slot }) => {
    const report = logprobs.get(slot);
    return report ? [[sequenceId, report] as const] : [];
  }));
}
