import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { ENGINE_FLAGS, readEngineFlags } from "../../server/cli/engine_flags.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { servedName } from "../../server/cli/load_model.ts";
import { UsageError } from "../../server/cli/usage_error.ts";

function read(...args: string[]) {
  return readEngineFlags(parseFlags(args, ENGINE_FLAGS));
}

Deno.test("readEngineFlags() asks for profile balanced and the default model without flags", () => {
  assertEquals(read(), { model: null, options: { profile: { name: "balanced" } } });
});

Deno.test("readEngineFlags() takes the GPU of low power if asked, and names both kinds", () => {
  assertEquals(read("--adapter", "low-power").options.adapterPower, "low-power");
  assertEquals(read("--adapter", "high-performance").options.adapterPower, undefined);
  assertThrows(() => read("--adapter", "RTX"), UsageError, "high-performance");
});

Deno.test("readEngineFlags() takes Dawn, and an adapter by its name only with it", () => {
  const { webgpu, adapterName, adapterPower } =
    read("--webgpu", "dawn", "--adapter", "RTX").options;
  assertEquals([webgpu, adapterName, adapterPower], ["dawn", "RTX", undefined]);
  const low = read("--webgpu", "dawn", "--adapter", "low-power").options;
  assertEquals([low.adapterName, low.adapterPower], [undefined, "low-power"]);
  assertEquals(read("--webgpu", "deno").options.webgpu, undefined);
  assertThrows(() => read("--adapter", "RTX"), UsageError, "--webgpu dawn does");
  assertThrows(() => read("--webgpu", "wgpu"), UsageError, "deno");
});

Deno.test("readEngineFlags() leaves tuning on, and takes again and off", () => {
  const modes = ["on", "again", "off"].map((mode) => read("--tune", mode).options.tune);
  assertEquals(modes, [undefined, "again", "off"]);
  assertThrows(() => read("--tune", "always"), UsageError, "again");
});

Deno.test("readEngineFlags() leaves products in f32, and takes int8", () => {
  const kinds = ["f32", "int8"].map((kind) => read("--math", kind).options.math);
  assertEquals(kinds, [undefined, "int8"]);
  assertThrows(() => read("--math", "int4"), UsageError, "int8");
});

Deno.test("readEngineFlags() reads tiers in MiB and GiB", () => {
  const { options } = read("--kv-disk", "d", "--kv-host-memory", "2", "--kv-disk-size", "0.5");
  const { diskFolder, hostSizeBytes, diskSizeBytes } = options;
  assertEquals([diskFolder, hostSizeBytes, diskSizeBytes], ["d", 2 ** 21, 2 ** 29]);
});

Deno.test("readEngineFlags() turns every flag into an option", () => {
  const args = "--model m.gguf --ctx 4096 --profile paper --k-rel 0.05 --v-rel 0.1 " +
    "--pack-size 32 --repack median --sequences 2 --kv-memory 1.5 " +
    "--queue 0 --step-tokens 32 --prefix-cache off --speculation off";
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
      speculates: false,
    },
  });
});

Deno.test("readEngineFlags() reads the settings of calibrated profiles, factors by layer from a file", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, '[{"key": 1, "value": 0.5}]');
    const args = "--profile tight --k-step 2 --v-step 1.5 --sink-tokens 8";
    const { options } = read(...args.split(" "), "--layer-steps", path);
    assertEquals(options.profile, {
      name: "tight",
      keyStep: 2,
      valueStep: 1.5,
      sinkCount: 8,
      layerFactors: [{ key: 1, value: 0.5 }],
    });
    for (const wrong of ["{}", "[]", '[{"key": 0, "value": 1}]', '[{"key": 1}]']) {
      await Deno.writeTextFile(path, wrong);
      const error = assertThrows(() => read("--layer-steps", path), UsageError) as Error;
      assertMatch(error.message, /one for each layer/);
    }
  } finally {
    await Deno.remove(path);
  }
});

const REFUSED: [string, RegExp][] = [
  ["--profile exact --k-rel 0.1", /--k-rel with --profile exact, which takes no settings/],
  ["--profile exact --pack-size 8", /--pack-size with --profile exact/],
  ["--k-rel 0.1", /--k-rel with --profile balanced, which takes --k-step, --v-step/],
  ["--profile paper --sink-tokens 4", /--sink-tokens with --profile paper/],
  ["--sink-tokens 17", /--sink-tokens 17: must be/],
  ["--k-step 0", /--k-step 0: must be/],
  ["--layer-steps /nowhere.json", /--layer-steps \/nowhere.json: No such file/],
  ["--pack-size 2", /--pack-size 2: must be 4/],
  ["--profile paper --k-rel 0.6", /--k-rel 0.6: must be a number from/],
  ["--profile paper --v-rel 0", /--v-rel 0: must be/],
  ["--ctx 0", /--ctx 0: must be a whole number/],
  ["--sequences 65", /--sequences 65/],
  ["--kv-memory 0", /--kv-memory 0: must be a number of MiB from 1/],
  ["--kv-memory 64MiB", /64MiB: must be a number of MiB/],
  ["--step-tokens 0", /--step-tokens 0/],
  ["--kv-disk d --kv-host-memory 0", /--kv-disk with --kv-host-memory 0/],
  ["--kv-store http://h", /--kv-store: wanted redis/],
  ["--kv-store redis://h --kv-host-memory 0", /--kv-store with --kv-host-memory 0/],
  ["--kv-store-ttl 3", /--kv-store without it/],
  ["--kv-disk-size 3", /--kv-disk-size without --kv-disk/],
  ["--prefix-cache off --kv-host-memory 1", /with --prefix-cache off/],
  ["--speculation yes", /--speculation yes: must be on or off/],
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
  ["/models/big-Q4_K_M-00003-of-00005.gguf", "big"],
  ["gpt-oss-20b-MXFP4.gguf", "gpt-oss-20b"],
];

for (const [path, name] of NAMES) {
  Deno.test(`servedName() calls ${path} ${name}`, () => assertEquals(servedName(path), name));
}

Deno.test("readEngineFlags() lets --share name the codec, and no other flag beside it", () => {
  assertEquals(read("--share", "xquant:bits=1").options, { share: "xquant:bits=1" });
  assertEquals(read("--share", "kvsharer:2").options.profile, { name: "balanced" });
  const both = read(..."--profile xquant --bits 2-1 --shrink 0 --share kvsharer:2".split(" "));
  assertEquals(both.options.profile, { name: "xquant", bits: "2-1", shrink: 0 });
  for (const flags of ["--profile xquant", "--profile tight", "--bits 1", "--k-step 2"]) {
    const given = `Cannot use ${flags} with --share xquant: xquant is a codec of its own`;
    assertThrows(() => read("--share", "xquant", ...flags.split(" ")), UsageError, given);
  }
  assertThrows(() => read("--share", "xquant:bits=4"), UsageError, "must be 2, 1 or 2-1");
  assertThrows(() => read("--share", "xquants"), UsageError, "kvsharer:FILE, or xquant");
});
