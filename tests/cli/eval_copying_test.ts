import { assertEquals, assertThrows } from "@std/assert";
import { evalCommand } from "../../server/cli/eval.ts";
import { readCopying } from "../../server/cli/eval_copying.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { UsageError } from "../../server/cli/usage_error.ts";

const read = (line: string) => readCopying(parseFlags(line.split(" "), evalCommand.flags));

Deno.test("readCopying() is null unless the test is asked for, and has defaults", () => {
  assertEquals(read("--text a.txt"), null);
  assertEquals(read("--copying --text a.txt"), { distance: 1024, pieceCount: 4, seed: 1 });
  assertEquals(
    read("--copying --tokens 4096 --pieces 2 --seed 0"),
    { distance: 4096, pieceCount: 2, seed: 0 },
  );
});

const REFUSED: [string, string][] = [
  ["--pieces 9", "--pieces without --copying"],
  ["--copying --retrieval", "--retrieval with --copying"],
  ["--copying --contexts 64,128", "--contexts with --copying"],
  ["--copying --text a,b", "several texts"],
  ["--copying --pieces 0", "--pieces 0"],
];

for (const [line, message] of REFUSED) {
  Deno.test(`readCopying() refuses ${line}`, () => {
    assertThrows(() => read(line), UsageError, message);
  });
}
