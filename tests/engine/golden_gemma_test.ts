/**
 * Numeric truth: Gemma 3 270M in profile `exact` against logits that an independent f32
 * implementation computed from the dequantised weights. The model is fetched if it is not there.
 * Of five prompts three are run whole and one in part; with `PACKKV_WHOLE_GOLDEN=1` all are, whole,
 * which takes some minutes.
 */

import { assertEquals } from "@std/assert";
import { ensureGemmaModel } from "../../server/setup/gemma_model.ts";
import { loadModel } from "../../src/runtime/load_model.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { checkGolden, type GoldenCase } from "../support/golden.ts";
import { sharedFile } from "../support/shared.ts";

/** The model's logits span about 40. */
const LIMITS = { logitErrorMax: 0.05, logprobErrorMeanMax: 0.003, greedyMarginMin: 0.1 };

/** A prompt, and how many of its tokens are run; all of them if left out. */
interface Run {
  name: string;
  tokenCount?: number;
}

/** Whole prompts, and as much of a long one as reaches behind the windows of 512 tokens. */
const RUN: Run[] = [{ name: "paris" }, { name: "code" }, { name: "unicode" }, {
  name: "wiki",
  tokenCount: 601,
}];

const WHOLE = Deno.env.get("PACKKV_WHOLE_GOLDEN") === "1";

/** A head of 262,144 tokens is most of the work: of these only slices with rows get logits. */
function cut(golden: GoldenCase, tokenCount: number): GoldenCase {
  return {
    ...golden,
    prompt_ids: golden.prompt_ids.slice(0, tokenCount),
    prompt_logprobs: [],
    rows: golden.rows.filter(({ position }) => position < tokenCount),
    greedy_ids: [],
    greedy_margins: [],
  };
}

Deno.test("Gemma 3 270M in profile exact gives the golden logits and continuations", async (t) => {
  const path = sharedFile("golden/gemma3-270m.json");
  if (path === null) return;
  const cases: GoldenCase[] = JSON.parse(await Deno.readTextFile(path));
  const model = await loadModel(await readGguf(await ensureGemmaModel()), () => {});
  try {
    const runs: Run[] = WHOLE ? cases.map(({ name }) => ({ name })) : RUN;
    for (const { name, tokenCount } of runs) {
      const whole = cases.find((golden) => golden.name === name)!;
      const golden = tokenCount === undefined ? whole : cut(whole, tokenCount);
      assertEquals(tokenCount === undefined || golden.rows.length >= 5, true, "rows are left");
      await t.step(`${name} (${golden.prompt_ids.length} tokens)`, async () => {
        console.log(await checkGolden(model, golden, LIMITS));
      });
    }
  } finally {
    model.gpu.close();
  }
});
