import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { evalCommand } from "../../server/cli/eval.ts";
import { readContinuations, runContinuations } from "../../server/cli/eval_continuations.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { UsageError } from "../../server/cli/usage_error.ts";
import { EvalState } from "../../src/evaluation/state.ts";
import { withTinyModel } from "../support/tiny_engine.ts";

const read = (...args: string[]) => readContinuations(parseFlags(args, evalCommand.flags));

Deno.test("eval --continuations reads its flags, and refuses those of other tests", () => {
  assertEquals(read("--tokens", "100"), null);
  assertEquals(read("--continuations"), {
    promptCount: 64,
    promptTokens: 512,
    length: 512,
    seed: 1,
  });
  const given = ["--continuations", "--prompts=8", "--tokens=300", "--length=64", "--seed=5"];
  assertEquals(read(...given), { promptCount: 8, promptTokens: 300, length: 64, seed: 5 });
  assertThrows(() => read("--prompts=8"), UsageError, "Cannot use --prompts without");
  assertThrows(() => read("--continuations", "--copying"), UsageError, "--copying with");
  assertThrows(() => read("--continuations", "--text=a,b"), UsageError, "several texts");
});

Deno.test("eval --continuations goes on from no state of another evaluation", () =>
  withTinyModel({}, async (modelPath) => {
    const stateFolder = await Deno.makeTempDir();
    const other = { model: "other", texts: [], codecs: [], contexts: [8, 8], from: 1 };
    const state = await EvalState.open(stateFolder, other);
    await state.addReport({ text: "prompt 1, greedy", codec: "exact" });
    const run = {
      setup: { math: "f32" as const, adapter: {} },
      ...{ modelPath, codecs: [], windowTokenCount: 128, stateFolder },
      continuations: { promptCount: 2, promptTokens: 8, length: 8, seed: 1 },
      text: { name: "a.txt", text: "harbour and pier ".repeat(20) },
    };
    await assertRejects(
      () => runContinuations(run, () => {}),
      UsageError,
      `Cannot resume from ${stateFolder}: its model is "other"`,
    );
    await Deno.remove(stateFolder, { recursive: true });
  }));
