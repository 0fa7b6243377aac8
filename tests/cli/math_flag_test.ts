/** `--math` of the commands that measure, on a tiny model. */

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { benchCommand } from "../../server/cli/bench.ts";
import type { Command } from "../../server/cli/command.ts";
import { evalCommand } from "../../server/cli/eval.ts";
import { EngineError } from "../../src/core/errors.ts";
import { withTinyModel } from "../support/tiny_engine.ts";

/** What a command prints with `--json`. */
async function printed(command: Command, line: string) {
  const { log } = console;
  const lines: string[] = [];
  console.log = (text: string) => lines.push(text);
  try {
    assertEquals(await command.run([...line.split(" "), "--json"], new Map()), 0);
  } finally {
    console.log = log;
  }
  return JSON.parse(lines.join(""));
}

Deno.test("packkv eval and bench make products as --math says, and name it", () =>
  withTinyModel({ type: "Q8_0" }, async (path) => {
    const text = path.replace("tiny.gguf", "text.txt");
    await Deno.writeTextFile(text, "It is said again and again. ".repeat(40));
    const evalLine = `--model ${path} --text ${text} --tokens 128 --from 64 --profiles exact`;
    const inF32 = await printed(evalCommand, evalLine);
    const inInt8 = await printed(evalCommand, `${evalLine} --math int8`);
    assertEquals(inInt8.model, `${inF32.model}, products in int8`);
    assertNotEquals(inInt8.ppl, inF32.ppl);
    const counts = "--profiles exact --prefill 8 --depths 8 --decode 2";
    const [report] = await printed(benchCommand, `--model ${path} ${counts} --math int8`);
    assert(report.name.endsWith(", products in int8"), report.name);
  }));

Deno.test("packkv eval refuses --math int8 where no weight has codes", () =>
  withTinyModel({ type: "F16" }, async (path) => {
    const args = ["--model", path, "--text", path.replace("tiny.gguf", "text.txt")];
    await Deno.writeTextFile(args[3], "It is said again and again. ".repeat(40));
    const run = () => evalCommand.run([...args, "--tokens", "128", "--math", "int8"], new Map());
    await assertRejects(run, EngineError, "Cannot multiply in int8: the model's weights are f16");
  }));
