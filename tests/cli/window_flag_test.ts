import { assertEquals, assertThrows } from "@std/assert";
import { ENGINE_FLAGS, readEngineFlags } from "../../server/cli/engine_flags.ts";
import { evalCommand } from "../../server/cli/eval.ts";
import { parseCodecList, resolveCodecs } from "../../server/cli/eval_codecs.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { UsageError } from "../../server/cli/usage_error.ts";
import { readWindows } from "../../server/cli/window_flag.ts";
import { describeCodec } from "../../src/evaluation/codecs.ts";

const engine = (...args: string[]) => readEngineFlags(parseFlags(args, ENGINE_FLAGS)).options;
const windows = (list: string) => readWindows(parseFlags(["--window", list], evalCommand.flags));

Deno.test("--window asks the engine for raw tokens, and names what is wrong", () => {
  assertEquals(engine().windowTokenCount, undefined);
  assertEquals(engine("--window", "0").windowTokenCount, 0);
  assertEquals(engine("--window=1024").windowTokenCount, 1024);
  for (const wrong of ["100", "-64", "1088", "many"]) {
    assertThrows(() => engine(`--window=${wrong}`), UsageError, `Cannot use --window ${wrong}`);
  }
});

Deno.test("eval --window runs every codec with every length, under names of their own", () => {
  assertEquals(windows("0,128,1024"), [0, 128, 1024]);
  assertThrows(() => windows("0,0"), UsageError, "twice");
  assertThrows(() => windows("0,65"), UsageError, "multiple of 64");
  const shape = { kvHeadCount: 3, headSize: 64 };
  const codecs = resolveCodecs(parseCodecList("balanced,q4_0"), shape, [0, 128]);
  assertEquals(codecs.map(({ name }) => name), [
    "balanced, window 0",
    "balanced",
    "q4_0, window 0",
    "q4_0",
  ]);
  assertEquals(new Set(codecs.map(describeCodec)).size, 4, "a state knows them apart");
});
