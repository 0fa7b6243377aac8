/** The forward pass on the kernels that a GPU gets, and on a CPU's: results and dispatches. */

import { assertEquals } from "@std/assert";
import { openGpu } from "../../src/gpu/open_gpu.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { readModelPlan } from "../../src/model/architectures/registry.ts";
import { uploadWeights } from "../../src/model/weights.ts";
import { createSequenceRun } from "../../src/runtime/sequence_run.ts";
import { assertNear } from "../support/numeric.ts";
import { referenceLogits } from "../support/reference_model.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** K and V are kept as f16 (relative error 2^-11), which a few layers carry to the logits. */
const NMSE_MAX = 1e-6;

/** Three slices of 64 rows, and one of 8, which is a small tile; a block is sealed. */
const PROMPT_LENGTH = 200;
const DECODED_COUNT = 3;
const LAYER_COUNT = 2;

/**
 * What runs beside a token's layers: embedding, head and choice. A layer's heads, sealed blocks,
 * window, merge, output, gate and up, and down.
 */
const DEVICES = {
  "a CPU": { facts: { isFallback: true }, dispatchCount: 7 * LAYER_COUNT + 3 },
  "a GPU without subgroups": {
    facts: { isFallback: false, subgroupLanes: 0 },
    dispatchCount: 7 * LAYER_COUNT + 5, // the choice takes three
  },
};

/** Dispatches that are encoded meanwhile. */
async function dispatchesOf(run: () => Promise<unknown>): Promise<number> {
  const { prototype } = GPUComputePassEncoder;
  const { dispatchWorkgroups } = prototype;
  let count = 0;
  prototype.dispatchWorkgroups = function (...sizes) {
    count++;
    return dispatchWorkgroups.apply(this, sizes);
  };
  try {
    await run();
  } finally {
    prototype.dispatchWorkgroups = dispatchWorkgroups;
  }
  return count;
}

for (const [device, { facts, dispatchCount }] of Object.entries(DEVICES)) {
  Deno.test(`the kernels of ${device} give the logits of plain loops, a token in ${dispatchCount} dispatches`, () =>
    withTinyModel({ type: "Q4_1", layerCount: LAYER_COUNT, vocabSize: 9000 }, async (path) => {
      const file = await readGguf(path);
      const gpu = await openGpu();
      Object.assign(gpu.facts, facts);
      const plan = readModelPlan(file);
      const weights = await uploadWeights(gpu, { file, plan, onProgress: () => {} });
      const promptIds = tinyPrompt(PROMPT_LENGTH, 3);
      const loaded = { gpu, file, plan, shape: plan.shape, weights };
      const profile = { name: "exact" as const };
      const options = { profile, promptIds, maxTokens: 2 * DECODED_COUNT };
      const run = await createSequenceRun(loaded, options);
      try {
        const rows: Float32Array[] = [];
        while (rows.length < PROMPT_LENGTH) {
          rows.push(...await run.nextSlice({ wantsLogits: true }));
        }
        const last = rows[PROMPT_LENGTH - 1];
        const ids = [...promptIds, last.indexOf(Math.max(...last))];
        for (let token = 0; token < DECODED_COUNT; token++) {
          const counted = await dispatchesOf(async () => {
            const { id, logits } = await run.nextToken();
            assertEquals(id, logits.indexOf(Math.max(...logits)), "the likeliest is chosen");
            rows.push(logits);
            ids.push(id);
          });
          assertEquals(counted, dispatchCount, `token ${token}`);
        }
        const expected = referenceLogits(file, ids);
        for (const position of [0, 63, 64, ...[...rows.keys()].slice(PROMPT_LENGTH - 1)]) {
          assertNear(rows[position], expected[position], NMSE_MAX, `position ${position}`);
        }
      } finally {
        run.destroy();
        gpu.close();
      }
    }));
}
