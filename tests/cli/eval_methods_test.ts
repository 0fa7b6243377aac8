import { assertEquals, assertThrows } from "@std/assert";
import { evalCommand } from "../../server/cli/eval.ts";
import { methodProfiles, promptsOf, readMethods } from "../../server/cli/eval_methods.ts";
import { readCodecRequests } from "../../server/cli/eval_codecs.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { UsageError } from "../../server/cli/usage_error.ts";

const flagsOf = (line: string) => parseFlags(line.split(" "), evalCommand.flags);

Deno.test("readMethods() is null unless methods are asked for, and has defaults", () => {
  assertEquals(readMethods(flagsOf("--text a.txt")), null);
  const asked = readMethods(flagsOf("--methods all,dbudgetkv --documents 2"));
  assertEquals([asked?.promptCount, asked?.followCount, asked?.methods.length], [2, 128, 2]);
});

const REFUSED: [string, string][] = [
  ["--follow 9", "--follow without --methods"],
  ["--methods all --from 5", "--from with --methods"],
  ["--methods all --copying", "--copying with --methods"],
  ["--methods all --state a", "--state with --methods"],
  ["--methods all --window 0", "--window with --methods"],
  ["--methods all --kept-attention 64", "--kept-attention with --methods"],
  ["--methods snapkv", "no method is called snapkv"],
  ["--methods xquant:bits=1", "xquant is a codec; name it in --profiles"],
  ["--methods all --follow 1", "--follow 1"],
];

for (const [line, message] of REFUSED) {
  Deno.test(`readMethods() refuses ${line}`, () => {
    assertThrows(() => readMethods(flagsOf(line)), UsageError, message);
  });
}

Deno.test("methodProfiles() refuses baselines", () => {
  const codecs = readCodecRequests(flagsOf("--profiles exact,kivi2"));
  assertThrows(() => methodProfiles(codecs), UsageError, "kivi2: a baseline packs nothing");
});

Deno.test("promptsOf() takes prompts at even distances, from the text's start to its end", () => {
  const ids = Array.from({ length: 20 }, (_, id) => id);
  const options = { promptCount: 3, followCount: 2, tokenCount: 4 };
  const prompts = promptsOf({ name: "a", ids }, options);
  assertEquals(prompts.map(({ promptIds }) => promptIds[0]), [0, 7, 14]);
  assertEquals(prompts[2], { promptIds: [14, 15, 16, 17], followIds: [18, 19] });
  const short = { name: "a", ids: ids.slice(0, 5) };
  assertThrows(() => promptsOf(short, options), RangeError, "Cannot evaluate 6 tokens: a has 5");
});
