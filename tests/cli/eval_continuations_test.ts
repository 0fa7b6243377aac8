import { assertEquals, assertThrows } from "@std/assert";
import { evalCommand } from "../../server/cli/eval.ts";
import { readContinuations } from "../../server/cli/eval_continuations.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { UsageError } from "../../server/cli/usage_error.ts";

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
