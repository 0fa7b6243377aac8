/**
 * Keys with outliers, as Qwen2's and Qwen3's have: of 64 channels four are 16 times larger and have
 * a mean. A seeded llama is written with them and without; queries make up for it, so that both
 * compute the same and only what codecs make of keys differs.
 */

import { assert, assertEquals } from "@std/assert";
import type { EvalCodec } from "../../src/evaluation/codecs.ts";
import { findBaseline } from "../../src/evaluation/baselines/table.ts";
import { evaluate } from "../../src/evaluation/eval.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { loadModel } from "../../src/runtime/load_model.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

const MODEL = {
  queryHeadCount: 2,
  kvHeadCount: 1,
  headSize: 64,
  hasBiases: true,
  queryFactor: 2,
  seed: 7,
};
const CODECS: EvalCodec[] = [
  { name: "balanced", profile: { name: "balanced" }, baseline: null },
  ...["q4_0", "int4"].map((name): EvalCodec => {
    return { name, profile: null, baseline: findBaseline(name, MODEL)! };
  }),
];

/** Mean KL and ratio by codec. */
async function measure(keyOutlierFactor: number) {
  const found = new Map<string, { kl: number; ratio: number }>();
  await withTinyModel({ ...MODEL, keyOutlierFactor }, async (path) => {
    const model = await loadModel(await readGguf(path), () => {});
    try {
      const texts = [{ name: "a.txt", ids: tinyPrompt(321, 1) }];
      const reports = await evaluate(model, { texts, codecs: CODECS, contexts: [320], from: 256 });
      for (const { codec, kl_mean, ratio } of reports) found.set(codec, { kl: kl_mean, ratio });
    } finally {
      model.gpu.close();
    }
  });
  return found;
}

Deno.test("keys with outliers cost the calibrated codec nothing, and others several times the damage", async () => {
  const [plain, hard] = [await measure(1), await measure(16)];
  const times = (codec: string) => hard.get(codec)!.kl / plain.get(codec)!.kl;
  assertEquals(hard.get("balanced"), plain.get("balanced"));
  for (const codec of ["q4_0", "int4"]) {
    assert(times(codec) > 5, `${codec} does ${times(codec)} times the damage`);
  }
});
