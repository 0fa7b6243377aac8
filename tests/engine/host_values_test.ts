/** Values in host memory: texts, what the device holds, and what cannot be put together. */

import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { createCodec } from "../../src/codec/profile.ts";
import { EngineError } from "../../src/core/errors.ts";
import type {
  Engine,
  EngineOptions,
  GenerateRequest,
  ProfileOptions,
} from "../../src/engine/types.ts";
import { findCalibration } from "../../src/calibration/store.ts";
import { calibrationOwner } from "../../src/runtime/fingerprint.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { loadModel } from "../../src/runtime/load_model.ts";
import { readMethod } from "../../src/runtime/read_method.ts";
import { createSequenceRun } from "../../src/runtime/sequence_run.ts";
import { checkValueLimits } from "../../src/runtime/value_limits.ts";
import { seededTables } from "../support/banded_samples.ts";
import {
  collectIds,
  tinyPrompt,
  withEngine,
  withTinyEngine,
  withTinyModel,
} from "../support/tiny_engine.ts";

/** Rows attend to few tokens. */
const MODEL = { contextLength: 1024, type: "F32", layerCount: 4, queryFactor: 6 } as const;
/** 14 blocks, 12 of them sealed. */
const PROMPT = tinyPrompt(900, 1);
const REQUEST: GenerateRequest = { promptIds: PROMPT, maxTokens: 24, ignoreEos: true };
const OPTIONS = {
  profile: { name: "balanced" },
  sequenceCountMax: 2,
  cacheSizeBytes: 380_000,
} as const;
const READ = "hcattention:tau=0.7,dense=0,pool=0.115";

/** An engine on a model whose calibration is kept. */
const withOwn = (options: EngineOptions, body: (engine: Engine) => Promise<void>) =>
  withEngine({ ...OPTIONS, tune: "off", ...options }, body);

Deno.test("values in host memory", (t) =>
  withTinyModel(MODEL, async (modelPath) => {
    await t.step(
      "texts are those of values on the device, in company and behind a cached prompt too",
      () => compareTexts(modelPath),
    );
    await t.step(
      "slow host memory changes nothing but the time, and the device keeps the keys' bytes",
      () => compareDelays(modelPath),
    );
  }));

async function compareTexts(modelPath: string): Promise<void> {
  const requests = [{ ...REQUEST, read: "all" }, REQUEST];
  const texts: number[][] = [];
  await withOwn({ modelPath, read: READ }, async (engine) => {
    for (const request of requests) {
      texts.push(await collectIds(engine, { ...request, skipsCache: true }));
    }
    const alone = await engine.stats();
    assert(alone.fetchedBlockCount > 0 && alone.fetchedPromptBlockCount > 0, "the pool is small");
    assert(alone.readTokenCount < 0.9 * alone.readableTokenCount, "rows read a part");
    assert(alone.valueBytes.device < alone.valueBytes.host);
    for (const _ of [1, 2]) {
      const together = requests.map((request) => collectIds(engine, request));
      assertEquals(await Promise.all(together), texts);
    }
    assert((await engine.stats()).prefixHitCount > 0, "a prompt is found in the cache");
    // Each next token is another one, and prompts are read meanwhile.
    const schema = JSON.stringify({ const: "abcdefghijklmnopqrstuvwxyz" });
    const grammar = { type: "json_schema", schema } as const;
    const constrained = { promptIds: tinyPrompt(5, 2), maxTokens: 40, grammar };
    const written = await collectIds(engine, constrained);
    const other = { ...REQUEST, promptIds: [...PROMPT, ...tinyPrompt(60, 4)] };
    const beside = [constrained, other].map((request) => collectIds(engine, request));
    assertEquals((await Promise.all(beside))[0], written);
    assert(written.length > 27, `${written.length} tokens`);
    for (const type of ["save", "restore"] as const) {
      const act = () => engine.actOnSlot(0, { type, path: "/nowhere" });
      await assertRejects(act, EngineError, `with --read ${READ} the device has no whole records`);
    }
  });
  assertNotEquals(texts[0], texts[1]);
  await withOwn({ modelPath }, async (engine) => {
    assertEquals(await collectIds(engine, REQUEST), texts[0]);
  });
}

async function compareDelays(modelPath: string): Promise<void> {
  const file = await readGguf(modelPath);
  const model = await loadModel(file, () => {});
  const run = await createSequenceRun(model, {
    profile: OPTIONS.profile,
    promptIds: PROMPT,
    read: readMethod(READ),
    arenaSizeBytes: OPTIONS.cacheSizeBytes,
    calibration: await findCalibration(calibrationOwner({ file, shape: model.shape })),
  });
  for (let slice = 0; slice * 64 < PROMPT.length; slice++) {
    await run.nextSlice({ wantsLogits: false });
  }
  run.setRead({ blockCount: Infinity, share: 1 });
  const values = run.hostValues!;
  const logits: Float32Array[] = [];
  for (const microseconds of [0, 20, 100]) {
    values.readMicroseconds = microseconds;
    const { fetchedBlockCount } = values.counts;
    const startMs = performance.now();
    logits.push(...await run.decodeRows([65], { from: "behind it" }));
    const fetched = values.counts.fetchedBlockCount - fetchedBlockCount;
    assert(fetched > 0, "the pool has no room for all values");
    assert(performance.now() - startMs >= fetched * microseconds / 1000);
  }
  for (const each of logits) assertEquals(each, logits[0]);
  const { k, v } = run.sideBytes();
  const keyBytes = run.cacheBytes().packed;
  assert(Math.abs(keyBytes / k.packed - 1) < 0.15, `${keyBytes} of ${k.packed}`);
  const { host } = values.counts.valueBytes;
  assert(Math.abs(host / v.packed - 1) < 0.15, `${host} of ${v.packed}`);
  run.destroy();
  model.gpu.close();
}

Deno.test("values lie in host memory beside layers whose blocks are sealed within a window", () => {
  // Layer 0 sees 200 tokens. Not the profile's own steps, which loading would try on the model.
  const metadata = { "gemma2.attention.sliding_window": 200 };
  const model = { architecture: "gemma2", contextLength: 1024, metadata };
  const profile = { name: "near-lossless" as const, keyStep: 1.14 };
  return withTinyModel(model, async (modelPath) => {
    const request = { promptIds: tinyPrompt(500, 1), maxTokens: 24, ignoreEos: true };
    // It parts where no blocks of the window are kept: of its beginning only the others are found.
    const parted = { ...request, promptIds: [...request.promptIds.slice(0, 330), 70, 71] };
    const options = { modelPath, profile, cacheSizeBytes: 2 ** 20 };
    const texts: number[][] = [];
    await withOwn({ ...options, read: "hcattention:tau=1,dense=0,pool=0.4" }, async (engine) => {
      for (const each of [request, request, parted]) texts.push(await collectIds(engine, each));
      assert((await engine.stats()).prefixHitCount > 0, "a prompt is found in the cache");
    });
    await withOwn({ ...options, sharesPrefixes: false }, async (engine) => {
      const [whole, other] = [await collectIds(engine, request), await collectIds(engine, parted)];
      assertEquals(texts, [whole, whole, other]);
    });
  });
});

const SHAPE = { kvHeadCount: 2, headSize: 32 };
const codecNamed = (name: ProfileOptions["name"]) =>
  createCodec(SHAPE, { name }, [seededTables(SHAPE, 1)]);
const HC = readMethod("hcattention:tau=0.98");
const ALONE = { codec: codecNamed("balanced"), keep: null, hostSizeBytes: 0 };
const NOT_TOGETHER: [options: object, message: string][] = [
  [
    { codec: codecNamed("exact") },
    "--profile exact: no kernel reads the keys of its records alone",
  ],
  [
    { codec: codecNamed("paper") },
    "--profile paper: no kernel reads the keys of its records alone",
  ],
  [{ codec: codecNamed("int8") }, "--profile int8: no kernel reads the keys of its records alone"],
  [{ keep: "all" }, "--keep: what stays of prompts is put together of whole records"],
  [{ hostSizeBytes: 1 }, "--kv-host-memory, --kv-disk or --kv-store: these copy whole records"],
];

for (const [options, message] of NOT_TOGETHER) {
  Deno.test(`values cannot lie in host memory with ${message}`, () => {
    const check = () => checkValueLimits(HC, { ...ALONE, ...options });
    assertThrows(check, EngineError, `Cannot use --read hcattention:tau=0.98 with ${message}`);
    checkValueLimits(readMethod("quest:blocks=2"), { ...ALONE, ...options });
  });
}

Deno.test("an engine is not created whose records have no values apart", async () => {
  const create = () => withTinyEngine({ profile: { name: "exact" }, read: READ }, async () => {});
  await assertRejects(create, EngineError, "with --profile exact: no kernel reads the keys");
});
