/** A model against what an independent implementation computed from the same file. */

import { logSumExp } from "../../src/core/log_sum_exp.ts";
import { assert } from "@std/assert";
import { alignUp, SLICE_TOKEN_COUNT } from "../../src/core/shapes.ts";
import type { LoadedModel } from "../../src/runtime/load_model.ts";
import { createSequenceRun } from "../../src/runtime/sequence_run.ts";

/** One prompt and its truth. */
export interface GoldenCase {
  name: string;
  /** Whether the logits are log-probabilities. */
  are_logprobs?: boolean;
  prompt_ids: number[];
  prompt_logprobs: number[];
  /** Logits at some positions: of `ids`, or of the whole vocabulary. */
  rows: { position: number; ids?: number[]; logits: number[] }[];
  greedy_ids: number[];
  greedy_margins: number[];
}

/** How near is near enough. */
export interface GoldenLimits {
  /** Largest difference of a logit. */
  logitErrorMax: number;
  /** Largest mean difference of the log-probabilities of a prompt. */
  logprobErrorMeanMax: number;
  /** A greedy token must be equal where the two best logits are further apart than this. */
  greedyMarginMin: number;
}

/**
 * Runs the model in profile `exact` over the prompt, then greedily; says how near it is.
 *
 * @param options.onLastSlice Gets the logits of the prompt's last tokens.
 * @throws {AssertionError} If it is farther from the truth than the limits.
 */
export async function checkGolden(
  model: LoadedModel,
  golden: GoldenCase,
  limits: GoldenLimits,
  { onLastSlice = () => {} }: { onLastSlice?: (logits: Float32Array[]) => void } = {},
): Promise<string> {
  const { prompt_ids: promptIds, rows, prompt_logprobs: logprobs } = golden;
  const maxTokens = golden.greedy_ids.length;
  const run = await createSequenceRun(model, { profile: { name: "exact" }, promptIds, maxTokens });
  try {
    let logitError = 0;
    let logprobErrorSum = 0;
    let last = new Float32Array();
    for (let first = 0, end = 0; first < promptIds.length; first = end) {
      end = Math.min(alignUp(first + 1, SLICE_TOKEN_COUNT), promptIds.length);
      const isLast = end === promptIds.length;
      const wantsLogits = isLast || first < logprobs.length ||
        rows.some(({ position }) => position >= first && position < end);
      const slice = await run.nextSlice({ wantsLogits });
      if (isLast) onLastSlice(slice);
      for (const [index, logits] of slice.entries()) {
        const position = first + index;
        const row = rows.find((candidate) => candidate.position === position);
        const shift = row && golden.are_logprobs ? logSumExp(logits).logSum : 0;
        row?.logits.forEach((wanted, i) => {
          const error = Math.abs(logits[row.ids?.[i] ?? i] - shift - wanted);
          logitError = Math.max(logitError, error);
        });
        if (position < logprobs.length) {
          const logprob = logits[promptIds[position + 1]] - logSumExp(logits).logSum;
          logprobErrorSum += Math.abs(logprob - logprobs[position]);
        }
        last = logits as Float32Array<ArrayBuffer>;
      }
    }
    const logprobError = logprobErrorSum / Math.max(1, logprobs.length);
    assert(logitError <= limits.logitErrorMax, `logit error is ${logitError}`);
    assert(
      logprobError <= limits.logprobErrorMeanMax,
      `mean log-probability error is ${logprobError}`,
    );
    const checkedCount = await checkGreedy(run, last, { golden, limits });
    return `logit error ${logitError.toFixed(4)}, mean log-probability error ` +
      `${logprobError.toFixed(5)}, ${checkedCount} greedy tokens`;
  } finally {
    run.destroy();
  }
}

/** What a golden file says of a prompt, of other logits for it. */
export function goldenRows(
  logits: readonly ArrayLike<number>[],
  { prompt_ids: ids, rows, prompt_logprobs: logprobs }: GoldenCase,
): Pick<GoldenCase, "rows" | "prompt_logprobs"> {
  return {
    rows: rows.map(({ position, ids = null }) => {
      const all = Array.from(logits[position]);
      return ids === null
        ? { position, logits: all }
        : { position, ids, logits: ids.map((id) => all[id]) };
    }),
    prompt_logprobs: logprobs.map((_, position) => {
      const row = Float32Array.from(logits[position]);
      return row[ids[position + 1]] - logSumExp(row).logSum;
    }),
  };
}

/**
 * Holds logits of a prompt against the golden ones.
 *
 * @throws {AssertionError} If they are farther from the truth than the limits.
 */
export function assertGoldenRows(
  logits: readonly ArrayLike<number>[],
  golden: GoldenCase,
  limits: Omit<GoldenLimits, "greedyMarginMin">,
): void {
  const { rows, prompt_logprobs: logprobs } = goldenRows(logits, golden);
  const errors = rows.flatMap((row, index) =>
    row.logits.map((logit, i) => Math.abs(logit - golden.rows[index].logits[i]))
  );
  const logprobErrors = logprobs.map((each, i) => Math.abs(each - golden.prompt_logprobs[i]));
  const logitError = Math.max(...errors);
  assert(logitError <= limits.logitErrorMax, `logit error is ${logitError}`);
  const mean = logprobErrors.reduce((sum, error) => sum + error, 0) / logprobErrors.length;
  assert(mean <= limits.logprobErrorMeanMax, `mean log-probability error is ${mean}`);
}

/** Follows the greedy continuation as long as it must be the same; returns how far that was. */
async function checkGreedy(
  run: Awaited<ReturnType<typeof createSequenceRun>>,
  promptLogits: Float32Array,
  { golden, limits }: { golden: GoldenCase; limits: GoldenLimits },
): Promise<number> {
  let sampledId = logSumExp(promptLogits).topId;
  for (let i = 0; i < golden.greedy_ids.length; i++) {
    if (sampledId !== golden.greedy_ids[i]) {
      const margin = golden.greedy_margins[i];
      assert(margin <= limits.greedyMarginMin, `token ${i} differs at a margin of ${margin}`);
      return i;
    }
    if (i + 1 < golden.greedy_ids.length) sampledId = (await run.nextToken()).id;
  }
  return golden.greedy_ids.length;
}
