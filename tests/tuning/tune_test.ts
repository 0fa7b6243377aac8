/**
 * Tuning of a tiny model on the test's device, by a timer that says what a test wants: kernels are
 * compiled, run and checked, and nothing depends on how long they take.
 */

import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { codecProfile } from "../../src/codec/profile.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import type { AdapterFacts } from "../../src/gpu/gpu.ts";
import { type LoadedModel, loadModel } from "../../src/runtime/load_model.ts";
import { modelCodec } from "../../src/runtime/model_codec.ts";
import { prefixRoot } from "../../src/runtime/prefix_root.ts";
import { tuneModel } from "../../src/runtime/tune_model.ts";
import type { TuneMode, Tuning } from "../../src/tuning/tune.ts";
import { lyingWebgpu } from "../support/lying_webgpu.ts";
import { assertNear } from "../support/numeric.ts";
import { StepHarness, testCalibration } from "../support/step_harness.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";
import { ADAPTERS } from "../support/adapters.ts";

/** All products have one shape but for gate and up, and the head. */
const MODEL = {
  type: "Q4_1",
  layerCount: 1,
  width: 128,
  feedForwardWidth: 128,
  queryHeadCount: 2,
  kvHeadCount: 1,
  headSize: 64,
} as const;

const CONTEXT_LENGTH = 512;

/** What a GPU of whose facts the test's device can run everything says. */
const AS_GPU: Partial<AdapterFacts> = { isFallback: false };

/** Milliseconds of a way, by what it is: 10 unless a test says otherwise. */
type Times = Readonly<Record<string, number>>;

/** A tuner of one loaded model with a folder of its own. */
interface Tuner {
  model: LoadedModel;
  folder: string;
  run(
    times: Times,
    options?: { mode?: TuneMode; now?: () => number },
  ): Promise<{ tuning: Tuning; timed: string[]; progress: string[] }>;
}

async function withTuner(
  options: { facts?: Partial<AdapterFacts>; compiles?: (code: string) => string },
  body: (tuner: Tuner) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "packkv-tuning-" });
  await withTinyModel(MODEL, async (path) => {
    const { compiles } = options;
    const webgpu = compiles ? lyingWebgpu({ compiles }) : navigator.gpu;
    const model = await loadModel(await readGguf(path), () => {}, { webgpu });
    Object.assign(model.gpu.facts, options.facts);
    const codec = modelCodec(
      model,
      codecProfile({ name: "balanced" }),
      await testCalibration(model),
    );
    const allocated = model.gpu.allocatedBytes;
    try {
      await body({
        model,
        folder,
        async run(times, { mode = "on", now = () => 0 } = {}) {
          const timed: string[] = [];
          const progress: string[] = [];
          const cache = { codec, contextLength: CONTEXT_LENGTH };
          const tuning = await tuneModel(model, cache, {
            ...{ mode, folder, now },
            onProgress: (message) => progress.push(message),
            time: (label) => {
              timed.push(label);
              const [, ms = 10] = Object.entries(times).find(([end]) => label.endsWith(end)) ?? [];
              return Promise.resolve(ms);
            },
          });
          assertEquals(model.gpu.allocatedBytes, allocated, "what was made is freed");
          return { tuning, timed, progress };
        },
      });
    } finally {
      model.gpu.close();
    }
  });
  await Deno.remove(folder, { recursive: true });
}

/** Says that it is too late when it is asked for the time once more than so often. */
function clockOf(count: number): () => number {
  return () => count-- >= 0 ? 0 : 5001;
}

/** Ways of a slice's product on a GPU: tiles of three sizes, and few rows at a time. */
const SLICE_WAY_COUNT = 4;

/** Ways that win over the first ones of a GPU. */
const OTHERS: Times = {
  " / rows": 5,
  "128x128 q4 / tile of 32 rows": 4,
  " / 8 blocks": 6,
  " / two teams by subgroup": 7,
  " / teams of 32": 1,
  "attention_prefill 2/1x64 / workgroup of 32": 8,
};

/** Makes teams that exchange through workgroup memory wrong. */
function wrongTeams(code: string): string {
  const value = "exchange_heads[team * LANE_COUNT + source]";
  return code.replace(`return ${value}`, `return 0.9 * ${value}`);
}

Deno.test("tune() keeps the order of the tables on a CPU, saying why, unless it is asked to measure again", () =>
  withTuner({}, async ({ model, run }) => {
    const { tuning, timed } = await run({ " / slices": 1 });
    assertEquals([tuning.source, tuning.choices, timed], ["tables", [], []]);
    assertMatch(tuning.note, /^not tuned: on a CPU .* times vary/);
    const again = await run({ " / slices": 1 }, { mode: "again", now: clockOf(2) });
    assertEquals(again.tuning.choices, [{ key: "matmul 256x128 q4", name: "slices", gain: 10 }]);
    assertEquals(model.gpu.facts.tuned, { "matmul 256x128 q4": "slices" });
    assertMatch(again.tuning.note, /the rest at the next start: 5 s were over/);
    const off = await run({}, { mode: "off" });
    assertEquals([off.tuning.source, off.tuning.note], ["tables", "not tuned: switched off"]);
  }));

Deno.test("tune() measures products and attention of a GPU once, within 5 s of a start, and keeps what is right", () =>
  withTuner({ facts: AS_GPU, compiles: wrongTeams }, async ({ model, folder, run }) => {
    const hurried = await run(OTHERS, { now: clockOf(SLICE_WAY_COUNT) });
    const ways = "all ways, the first and the last once more, which seems to win";
    assertEquals(hurried.timed.length, SLICE_WAY_COUNT + 2, ways);
    const first = await run(OTHERS);
    assertEquals(first.timed.filter((label) => hurried.timed.includes(label)), []);
    assertEquals(first.tuning.source, "measured");
    assertEquals(first.tuning.choices, [
      { key: "matmul of slices 256x128 q4", name: "rows", gain: 2 },
      { key: "matmul of slices 128x128 q4", name: "tile of 32 rows", gain: 2.5 },
      { key: "attention splits 2x64", name: "8 blocks", gain: 10 / 6 },
      { key: "attention_decode/banded", name: "two teams by subgroup", gain: 10 / 7 },
      { key: "attention_prefill 2/1x64", name: "workgroup of 32", gain: 10 / 8 },
    ]);
    const { note } = first.tuning;
    assertMatch(
      note,
      /attention_decode.banded: not teams of 32: it is off from attention of slices/,
    );
    const chosen = first.tuning.choices.map(({ key, name }) => [key, name]);
    assertEquals(model.gpu.facts.tuned, Object.fromEntries(chosen));
    assert(first.progress.includes("tuning kernels: attention_decode/banded"));
    assertEquals([...Deno.readDirSync(folder)].length, 1);

    const second = await run({});
    assertEquals([second.tuning.source, second.timed], ["kept", []]);
    assertEquals(second.tuning.choices, first.tuning.choices);

    // One that is not kept, and no time to measure it: the others still count.
    const [{ name: fileName }] = [...Deno.readDirSync(folder)];
    const kept = JSON.parse(await Deno.readTextFile(`${folder}/${fileName}`));
    const keptAs = Object.keys(kept.choices).find((key) => key.startsWith("attention_decode"))!;
    assert(keptAs.includes('"headSize":64'), "what is right is known of these shapes alone");
    const { "matmul of slices 256x128 q4": _, ...choices } = kept.choices;
    await Deno.writeTextFile(`${folder}/${fileName}`, JSON.stringify({ ...kept, choices }));
    const late = await run({}, { now: clockOf(0) });
    assertEquals(late.timed, []);
    assertEquals(late.tuning.choices, first.tuning.choices.slice(1));

    const again = await run({}, { mode: "again", now: clockOf(SLICE_WAY_COUNT) });
    assertEquals([again.tuning.source, again.tuning.choices], ["measured", []]);
    const keys = (await run({})).tuning.choices.map(({ key }) => key);
    assert(!keys.includes("matmul of slices 256x128 q4"), "what was measured again is kept");
  }));

Deno.test("tune() chooses no product that is off from plain loops, however fast", () => {
  const [sum, wrong] = ["total += sums[other * 32u", "total += 1.001 * sums[other * 32u"];
  const compiles = (code: string) => code.replace(sum, wrong);
  return withTuner({ facts: AS_GPU, compiles }, async ({ run }) => {
    const { tuning } = await run({ " / rows": 1 }, { now: clockOf(SLICE_WAY_COUNT) });
    assertEquals(tuning.choices, []);
    assertMatch(tuning.note, /256x128 q4: not rows: it is off from plain loops by a squared error/);
  });
});

Deno.test("tune() chooses no product in which a row's bits depend on its company", () => {
  const [sum, wrong] = ["total += sums[other * 32u", "total += 1.000001 * sums[other * 32u"];
  const compiles = (code: string) =>
    code.includes("const TOKEN_COUNT: u32 = 4u;") ? code.replace(sum, wrong) : code;
  return withTuner({ compiles }, async ({ run }) => {
    const { tuning } = await run({ " / slices": 1 }, { mode: "again", now: clockOf(2) });
    assertEquals(tuning.choices, []);
    assertMatch(tuning.note, /not slices: a row's bits change with its company: 1 rows or 4/);
  });
});

Deno.test("stored blocks of a device that is tuned have another root, and without choices the same as before", () => {
  const facts = ADAPTERS["DX12"];
  const root = (tuned: Record<string, string>) => prefixRoot({ ...facts, tuned }, "model", "codec");
  const { tuned: _, ...untuned } = facts;
  assertEquals(root({}), prefixRoot({ ...untuned, tuned: {} }, "model", "codec"));
  assertNotEquals(root({}), root({ attention_merge: "workgroup of 32" }));
  const both = { a: "1", b: "2" };
  assertEquals(
    root(both),
    root({ b: both.b, a: both.a }),
    "the order they were found in is nothing",
  );
});

Deno.test("stored blocks keep their root whatever the size of tiles, which give the same bits", () => {
  const root = (name: keyof typeof ADAPTERS, tuned: Record<string, string>) =>
    prefixRoot({ ...ADAPTERS[name], tuned }, "model", "codec");
  const slices = (way: string) => ({ "matmul of a slice 64x64 q4_1": way });
  for (const way of ["tile", "tile of 32 rows", "tile of 16 rows"]) {
    assertEquals(root("DX12", slices(way)), root("DX12", {}));
    assertEquals(root("software Vulkan", slices(way)), root("software Vulkan", slices("tile")));
  }
  assertNotEquals(root("DX12", slices("rows")), root("DX12", {}));
  assertNotEquals(root("software Vulkan", slices("tile")), root("software Vulkan", {}));
});

/** Logits of a prompt's last token, on a device with choices. */
async function logitsOf(path: string, tuned: Record<string, string>): Promise<Float32Array> {
  const harness = await StepHarness.open(path, {
    profile: { name: "exact" },
    slotCount: 1,
    contextLength: CONTEXT_LENGTH,
    facts: { tuned },
  });
  harness.admit(1, tinyPrompt(300, 3), 2);
  while (await harness.step()) { /* until it has ended */ }
  const [logits] = await harness.runner.graph.readDecodeLogits(1);
  const copy = logits.slice();
  harness.close();
  return copy;
}

Deno.test("kernels that tuning chose run, and give the same logits up to rounding", () =>
  withTinyModel(MODEL, async (path) => {
    const plain = await logitsOf(path, {});
    const tuned = await logitsOf(path, {
      "attention splits 2x64": "1 blocks",
      "attention_merge": "workgroup of 32",
    });
    assertNear(tuned, Float64Array.from(plain), 1e-9);
    assertNotEquals([...tuned], [...plain], "sums have another order");
    await assertRejects(
      () => logitsOf(path, { attention_merge: "subgroup of 5" }),
      Error,
      "subgroup of 5 is a variant of attention_merge",
    );
  }));
