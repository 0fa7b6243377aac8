/** Free running of profiles beside the exact cache. */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { createEngine } from "../../../src/engine/client.ts";
import {
  type ContinuationResult,
  evaluateContinuations,
} from "../../../src/evaluation/continuations/continuations.ts";
import { formatContinuations } from "../../../src/evaluation/continuations/continuations_table.ts";
import { repeatedShare, sharedCount } from "../../../src/evaluation/continuations/measures.ts";
import { EvalState } from "../../../src/evaluation/state.ts";
import { readGguf } from "../../../src/gguf/read_gguf.ts";
import { tinyPrompt, withTinyModel } from "../../support/tiny_engine.ts";
import { referenceLogits } from "../../support/reference_model.ts";

Deno.test("sharedCount() ends at the first token that differs", () => {
  assertEquals(sharedCount([1, 2, 3], [1, 2, 3]), 3);
  assertEquals(sharedCount([1, 2, 3], [1, 9, 3]), 1);
  assertEquals(sharedCount([4], [5]), 0);
});

Deno.test("repeatedShare() counts runs of four tokens that came before", () => {
  assertEquals(repeatedShare([1, 2, 3]), 0);
  assertEquals(repeatedShare([1, 2, 3, 4, 5, 6]), 0);
  assertEquals(repeatedShare([1, 2, 3, 4, 1, 2, 3, 4]), 1 / 5);
  assertEquals(repeatedShare([7, 7, 7, 7, 7, 7]), 2 / 3);
});

Deno.test("evaluateContinuations() finds a coarse codec parting from exact, and exact's log-probability as the reference has it", () =>
  withTinyModel({ contextLength: 512 }, async (modelPath) => {
    const prompts = [tinyPrompt(330, 1), tinyPrompt(330, 2)];
    const plan = { textName: "tiny", prompts, length: 24, seed: 1, profiles: [COARSE] };
    const folder = await Deno.makeTempDir();
    const open = () => EvalState.open<ContinuationResult>(folder, identity(plan));
    const state = await open();
    const told: [message: string, share: number][] = [];
    const reports = await evaluateContinuations(plan, {
      createEngine: (options) => createEngine({ modelPath, sequenceCountMax: 2, ...options }),
      sequenceCount: 2,
      state,
      onProgress: (message, share) => told.push([message, share]),
    });
    // Four continuations of each codec, then how likely all eight are.
    assertEquals(told.length, 5 + 5 + 9);
    assertEquals(told[0], ["exact: 0 of 4 continuations", 0]);
    assertEquals(told[6], ["coarse: 1 of 4 continuations", 5 / 12]);
    assertEquals(told.at(-1), ["log-probabilities by exact: 8 of 8 continuations", 1]);
    assertEquals(reports.map(({ codec, mode }) => [codec, mode]), [
      ["exact", "greedy"],
      ["coarse", "greedy"],
      ["exact", "seeded"],
      ["coarse", "seeded"],
    ]);
    for (const { codec, score } of reports) {
      if (codec !== "exact") continue;
      assertEquals(score.shared_tokens, { mean: 24, margin: 0 });
      assertEquals([score.same, score.against_exact.log_prob.mean], [2, 0]);
    }
    const [exact, coarse, , seeded] = reports;
    assert(coarse.score.same < 2 || seeded.score.same < 2, "half of the range a step is felt");
    assert(coarse.score.shared_tokens.mean <= 24 && seeded.score.shared_tokens.mean < 24);
    const table = formatContinuations(reports).split("\n");
    assertEquals(table.length, 6);
    assert(table[0].startsWith("2 prompts of 330 tokens of tiny continued by 24"), table[0]);
    // Each token is the reference's most likely one behind those before it.
    const file = await readGguf(modelPath);
    const means = prompts.map((prompt, at) => {
      const ids = state.report(`prompt ${at + 1}, greedy`, "exact")!.ids!;
      const all = referenceLogits(file, [...prompt, ...ids], { first: prompt.length - 1 });
      const logProbs = ids.map((id, step) => {
        const logits = all[step];
        const top = Math.max(...logits);
        assert(top - logits[id] < 1e-3, `token ${step} is ${top - logits[id]} below the top`);
        return logits[id] - top -
          Math.log(logits.reduce((total, logit) => total + Math.exp(logit - top), 0));
      });
      return logProbs.reduce((a, b) => a + b, 0) / ids.length;
    });
    assertAlmostEquals(exact.score.log_prob.mean, (means[0] + means[1]) / 2, 1e-3);
    // All is kept: the same reports, and no engine is made for them.
    const again = await evaluateContinuations(plan, {
      createEngine: () => Promise.reject(new Error("nothing is to be done")),
      state: await open(),
    });
    assertEquals(again, reports);
    await Deno.remove(folder, { recursive: true });
  }));

const COARSE = {
  name: "coarse",
  profile: { name: "paper" as const, keyRel: 0.5, valueRel: 0.5 },
};

function identity({ textName, length, seed }: { textName: string; length: number; seed: number }) {
  return { model: "tiny", texts: [textName], codecs: ["coarse"], contexts: [length], from: seed };
}
