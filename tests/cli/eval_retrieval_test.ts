import { assertEquals, assertThrows } from "@std/assert";
import { evalCommand } from "../../server/cli/eval.ts";
import { readRetrieval } from "../../server/cli/eval_retrieval.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { UsageError } from "../../server/cli/usage_error.ts";

const read = (line: string) => readRetrieval(parseFlags(line.split(" "), evalCommand.flags));

Deno.test("readRetrieval() is null unless the test is asked for, and has defaults", () => {
  assertEquals(read("--text a.txt"), null);
  const expected = { tokenCount: 8128, caseCount: 16, documentCount: 4, seed: 1, form: null };
  assertEquals(read("--retrieval --text a.txt"), expected);
  assertEquals(
    read("--retrieval --tokens 640 --cases 9 --documents 2 --seed 0 --form completion"),
    {
      tokenCount: 640,
      caseCount: 9,
      documentCount: 2,
      seed: 0,
      form: "completion",
    },
  );
});

const REFUSED: [string, string][] = [
  ["--cases 9", "--cases without --retrieval"],
  ["--seed 9", "--seed without --retrieval"],
  ["--documents 9", "--documents without --retrieval"],
  ["--retrieval --contexts 64,128", "--contexts with --retrieval"],
  ["--retrieval --from 5", "--from with --retrieval"],
  ["--retrieval --text a,b", "several texts"],
  ["--retrieval --cases 0", "--cases 0"],
];

for (const [line, message] of REFUSED) {
  Deno.test(`readRetrieval() refuses ${line}`, () => {
    assertThrows(() => read(line), UsageError, message);
  });
}
