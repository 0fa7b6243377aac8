/**
 * What a decoding step takes by its rows: with guesses it has up to eight of one sequence.
 *
 *     deno run -A bench/serving/step_rows_bench.ts [ROUNDS]
 *
 * `processorMs` is of the whole process; `kernelMs` of all its threads but the one that encodes, on
 * Linux: on software Vulkan they run the kernels. The counts take turns, so that what else the
 * machine does falls on all of them.
 *
 * @module
 */

import process from "node:process";
import { SLICE_TOKEN_COUNT } from "../../src/core/shapes.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { loadModel } from "../../src/runtime/load_model.ts";
import { createSequenceRun } from "../../src/runtime/sequence_run.ts";
import { defaultModelPath } from "../../tests/support/default_model.ts";
import { tinyPrompt } from "../../tests/support/tiny_engine.ts";
import { threadMs } from "../../tests/support/waiting.ts";

const ROUND_COUNT = Number(Deno.args[0] ?? 12);
const STEP_COUNT = 3;
const ROW_COUNTS = [1, 2, 3, 4, 5, 6, 7, 8];
const PROMPT_TOKEN_COUNT = 261;

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Of all threads but this one: they run kernels. */
const kernelMs = () => processorMs() - threadMs();

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

const model = await loadModel(await readGguf(defaultModelPath()), () => {});
const run = await createSequenceRun(model, {
  promptIds: tinyPrompt(PROMPT_TOKEN_COUNT, 1),
  maxTokens: 20,
  profile: { name: "exact" },
  decodeRowCount: ROW_COUNTS.length,
});
for (let position = 0; position < PROMPT_TOKEN_COUNT; position += SLICE_TOKEN_COUNT) {
  await run.nextSlice({ wantsLogits: false });
}
const ids = tinyPrompt(ROW_COUNTS.length, 3);
const times = ROW_COUNTS.map((rowCount) => ({ rowCount, processor: [0], kernel: [0] }));
for (let round = -1; round < ROUND_COUNT; round++) {
  for (const { rowCount, processor, kernel } of times) {
    const [processorBefore, kernelBefore] = [processorMs(), kernelMs()];
    for (let step = 0; step < STEP_COUNT; step++) {
      await run.decodeRows(ids.slice(0, rowCount), { from: "behind it" });
    }
    // The first round compiles.
    if (round < 0) processor.length = kernel.length = 0;
    else {
      processor.push((processorMs() - processorBefore) / STEP_COUNT);
      kernel.push((kernelMs() - kernelBefore) / STEP_COUNT);
    }
  }
}
const [{ processor, kernel }] = times;
console.log(JSON.stringify(times.map((each) => ({
  rowCount: each.rowCount,
  processorMs: median(each.processor),
  kernelMs: median(each.kernel),
  processorRatio: median(each.processor) / median(processor),
  kernelRatio: median(each.kernel) / median(kernel),
}))));
Deno.exit();
