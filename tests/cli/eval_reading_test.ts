import { assertEquals, assertThrows } from "@std/assert";
import { evalCommand } from "../../server/cli/eval.ts";
import { readBudgets, readReadMethods } from "../../server/cli/eval_reading.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { UsageError } from "../../server/cli/usage_error.ts";

const read = (line: string) => readReadMethods(parseFlags(line.split(" "), evalCommand.flags));

Deno.test("readReadMethods() is null unless asked for, and takes a list with settings", () => {
  assertEquals(read("--text a.txt"), null);
  const methods = read("--read quest:blocks=8:dense=0,clusterkv:tokens=200,oracle:blocks=4")!;
  assertEquals(methods.map(({ id }) => id), [
    "quest:blocks=8,dense=0",
    "clusterkv:tokens=200",
    "oracle:blocks=4",
  ]);
  assertEquals(methods.map(({ blockCount }) => blockCount), [8, 4, 4]);
  assertEquals(methods.map(({ denseLayerCount }) => denseLayerCount), [0, 2, 2]);
  assertEquals(methods.map(({ scoredBy }) => scoredBy), ["summary", "summary", "attention"]);
});

const REFUSED: [string, string][] = [
  ["--read snapkv", "no method is called snapkv"],
  ["--read quest:blocks=8,all", "compared with"],
  ["--read quest:blocks=8 --state s", "--state with --read"],
  ["--read quest:blocks=8 --contexts 64,128", "--contexts with --read"],
];

for (const [line, message] of REFUSED) {
  Deno.test(`readReadMethods() refuses ${line}`, () => {
    assertThrows(() => read(line), UsageError, message);
  });
}

Deno.test("readBudgets() takes numbers of tokens, and names a flag that would have no effect", () => {
  const budgets = (line: string) => readBudgets(parseFlags(line.split(" "), evalCommand.flags));
  assertEquals(budgets("--text a.txt"), null);
  assertEquals(budgets("--kept-attention 64,512"), { budgets: [64, 512], shares: [] });
  assertEquals(budgets("--kept-attention tau=0.98,64"), { budgets: [64], shares: [0.98] });
  for (const wrong of ["63", "tau=0", "tau=1.1", "tau=", "x"]) {
    assertThrows(() => budgets(`--kept-attention ${wrong}`), UsageError, "and shares of the");
  }
  for (const flag of ["--window 0", "--retrieval", "--read quest:blocks=8"]) {
    const [name] = flag.split(" ");
    assertThrows(
      () => budgets(`--kept-attention 64 ${flag}`),
      UsageError,
      `${name} with --kept-attention`,
    );
  }
});
