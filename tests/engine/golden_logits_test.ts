/**
 * Numeric truth: the real model in profile `exact` against logits that an independent f32
 * implementation computed from the dequantised weights.
 */

import { assertEquals } from "@std/assert";
import { loadModel } from "../../src/runtime/load_model.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { checkGolden, type GoldenCase } from "../support/golden.ts";
import { sharedFile } from "../support/shared.ts";

/** The model's logits span about 40. */
const LIMITS = { logitErrorMax: 0.05, logprobErrorMeanMax: 0.02, greedyMarginMin: 0.1 };

Deno.test("the real model in profile exact gives the golden logits, prompts and continuations", async (t) => {
  const path = sharedFile("golden/logits.json");
  if (path === null) return;
  const cases: GoldenCase[] = JSON.parse(await Deno.readTextFile(path));
  const model = await loadModel(await readGguf(defaultModelPath()), () => {});
  try {
    assertEquals(cases.length, 5);
    for (const golden of cases) {
      await t.step(`${golden.name} (${golden.prompt_ids.length} tokens)`, async () => {
        console.log(await checkGolden(model, golden, LIMITS));
      });
    }
  } finally {
    model.gpu.close();
  }
});
