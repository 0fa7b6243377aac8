/** The forward pass on the kernels that a GPU gets, against plain loops. */

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

/** A slice of 64 rows, and one of 6, which is a small tile. */
const LENGTH = 70;

Deno.test("a slice of any length on the kernels of a GPU gives the logits of plain loops", () =>
  withTinyModel({ type: "Q4_1", layerCount: 2 }, async (path) => {
    const file = await readGguf(path);
    const gpu = await openGpu();
    Object.assign(gpu.facts, { isFallback: false, subgroupLanes: 0 });
    const plan = readModelPlan(file);
    const weights = await uploadWeights(gpu, { file, plan, onProgress: () => {} });
    const promptIds = tinyPrompt(LENGTH, 3);
    const loaded = { gpu, file, plan, shape: plan.shape, weights };
    const run = await createSequenceRun(loaded, { profile: { name: "exact" }, promptIds });
    try {
      const rows: Float32Array[] = [];
      while (rows.length < LENGTH) rows.push(...await run.nextSlice({ wantsLogits: true }));
      const expected = referenceLogits(file, promptIds);
      for (const position of [0, 31, 63, 64, LENGTH - 1]) {
        assertNear(rows[position], expected[position], NMSE_MAX, `position ${position}`);
      }
    } finally {
      run.destroy();
      gpu.close();
    }
  }));
