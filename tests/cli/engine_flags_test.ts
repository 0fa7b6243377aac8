import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { ENGINE_FLAGS, readEngineFlags } from "../../server/cli/engine_flags.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { servedName } from "../../server/cli/load_model.ts";
import { UsageError } from "../../server/cli/usage_error.ts";

function read(...args: string[]) {
  return readEngineFlags(parseFlags(args, ENGINE_FLAGS));
}

Deno.test("readEngineFlags() asks for profile paper and the default model without flags", () => {
  assertEquals(read(), { model: null, options: { profile: { name: "paper" } } });
});

Deno.test("readEngineFlags() reads tiers in MiB and GiB", () => {
  const { options } = read("--kv-disk", "d", "--kv-host-memory", "2", "--kv-disk-size", "0.5");
  const { diskFolder, hostSizeBytes, diskSizeBytes } = options;
  assertEquals([diskFolder, hostSizeBytes, diskSizeBytes], ["d", 2 ** 21, 2 ** 29]);
});

Deno.test("readEngineFlags() turns every flag into an option", () => {
  const args = "--model m.gguf --ctx 4096 --profile paper --k-rel 0.05 --v-rel 0.1 " +
    "--pack-size 32 --repack median --sequences 2 --kv-memory 1.5 " +
    "--queue 0 --step-tokens 32 --prefix-cache off";
  assertEquals(read(...args.split(" ")), {
    model: "m.gguf",
    options: {
      profile: { name: "paper", keyRel: 0.05, valueRel: 0.1, packSize: 32, repack: "median" },
      contextLength: 4096,
      sequenceCountMax: 2,
      cacheSizeBytes: 1_572_864,
      waitingCountMax: 0,
      stepTokenCountMax: 32,
      sharesPrefixes: false,
    },
  });
});

const REFUSED: [string, RegExp][] = [
  ["--profile exact --k-rel 0.1", /--k-rel 0\.1 with --profile exact/],
  ["--profile exact --pack-size 8", /--pack-size 8 with --profile exact/],
  ["--pack-size 2", /--pack-size 2: must be 4/],
  ["--k-rel 0.6", /--k-rel 0.6: must be a number from/],
  ["--v-rel 0", /--v-rel 0: must be/],
  ["--ctx 0", /--ctx 0: must be a whole number/],
  ["--sequences 65", /--sequences 65/],
  ["--kv-memory 0", /--kv-memory 0/],
  ["--step-tokens 0", /--step-tokens 0/],
  ["--kv-disk d --kv-host-memory 0", /--kv-disk with --kv-host-memory 0/],
  ["--kv-disk-size 3", /--kv-disk-size without --kv-disk/],
  ["--prefix-cache off --kv-host-memory 1", /with --prefix-cache off/],
  ["--prefix-cache no", /--prefix-cache no: must be on or off/],
];

for (const [line, message] of REFUSED) {
  Deno.test(`readEngineFlags() refuses ${line}`, () => {
    const error = assertThrows(() => read(...line.split(" ")), UsageError) as Error;
    assertMatch(error.message, message);
  });
}

const NAMES: [string, string][] = [
  ["/a/SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct"],
  ["Qwen2-0.5B-Q8_0.gguf", "Qwen2-0.5B"],
  ["m-IQ2_XS.GGUF", "m"],
  ["x.f16.gguf", "x"],
  ["x-BF16.gguf", "x"],
  ["llama-7b.Q4_K_M.gguf", "llama-7b"],
  ["model.gguf", "model"],
  ["Q4_0.gguf", "Q4_0"],
];

for (const [path, name] of NAMES) {
  Deno.test(`servedName() calls ${path} ${name}`, () => assertEquals(servedName(path), name));
}
