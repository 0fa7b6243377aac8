/**
 * Numeric truth: the real model in profile `exact` against logits that an independent f32
 * implementation computed from the dequantised weights.
 */

import { assert, assertEquals } from "@std/assert";
import { logSumExp } from "../../bench/quality/exact_row.ts";
import { type LoadedModel, loadModel } from "../../src/runtime/load_model.ts";
import { createSequenceRun } from "../../src/runtime/sequence_run.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { sharedFile } from "../support/shared.ts";

interface GoldenCase {
  name: string;
  prompt_ids: number[];
  prompt_logprobs: number[];
  rows: { position: number; ids: number[]; logits: number[] }[];
  greedy_ids: number[];
  greedy_margins: number[];
}

/** Largest difference of a logit; the model's logits span about 40. */
const LOGIT_ERROR_MAX = 0.05;
/** Largest mean difference of the log-probabilities of a prompt. */
const LOGPROB_ERROR_MEAN_MAX = 0.02;
/** A greedy token must be equal where the two best logits are further apart than this. */
const GREEDY_MARGIN_MIN = 0.1;

async function prefill(model: LoadedModel, golden: GoldenCase): Promise<string> {
  const { prompt_ids: promptIds, rows, prompt_logprobs: logprobs } = golden;
  const maxTokens = golden.greedy_ids.length;
  const run = await createSequenceRun(model, { profile: { name: "exact" }, promptIds, maxTokens });
  try {
    let logitError = 0;
    let logprobErrorSum = 0;
    let last = new Float32Array();
    for (let position = 0; position < promptIds.length;) {
      for (const logits of await run.nextSlice({ wantsLogits: true })) {
        const row = rows.find((candidate) => candidate.position === position);
        row?.ids.forEach((id, i) => {
          logitError = Math.max(logitError, Math.abs(logits[id] - row.logits[i]));
        });
        if (position < logprobs.length) {
          const logprob = logits[promptIds[position + 1]] - logSumExp(logits).logSum;
          logprobErrorSum += Math.abs(logprob - logprobs[position]);
        }
        last = logits as Float32Array<ArrayBuffer>;
        position++;
      }
    }
    const logprobError = logprobErrorSum / Math.max(1, logprobs.length);
    assert(logitError <= LOGIT_ERROR_MAX, `logit error is ${logitError}`);
    assert(logprobError <= LOGPROB_ERROR_MEAN_MAX, `mean log-probability error is ${logprobError}`);
    const checkedCount = await checkGreedy(run, last, golden);
    return `logit error ${logitError.toFixed(4)}, mean log-probability error ` +
      `${logprobError.toFixed(5)}, ${checkedCount} greedy tokens`;
  } finally {
    run.destroy();
  }
}

/** Follows the greedy continuation as long as it must be the same; returns how far that was. */
async function checkGreedy(
  run: Awaited<ReturnType<typeof createSequenceRun>>,
  promptLogits: Float32Array,
  golden: GoldenCase,
): Promise<number> {
  let sampledId = logSumExp(promptLogits).topId;
  for (let i = 0; i < golden.greedy_ids.length; i++) {
    if (sampledId !== golden.greedy_ids[i]) {
      const margin = golden.greedy_margins[i];
      assert(margin <= GREEDY_MARGIN_MIN, `token ${i} differs at a margin of ${margin}`);
      return i;
    }
    if (i + 1 < golden.greedy_ids.length) sampledId = (await run.nextToken()).id;
  }
  return golden.greedy_ids.length;
}

Deno.test("the real model in profile exact gives the golden logits, prompts and continuations", async (t) => {
  const path = sharedFile("golden/logits.json");
  if (path === null) return;
  const cases: GoldenCase[] = JSON.parse(await Deno.readTextFile(path));
  const model = await loadModel(await readGguf(defaultModelPath()), () => {});
  try {
    assertEquals(cases.length, 5);
    for (const golden of cases) {
      await t.step(`${golden.name} (${golden.prompt_ids.length} tokens)`, async () => {
        console.log(await prefill(model, golden));
      });
    }
  } finally {
    model.gpu.close();
  }
});
