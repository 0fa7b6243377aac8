/** Saved sequences through the engine. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import type {
  Engine,
  EngineOptions,
  GenerateRequest,
  ProfileOptions,
} from "../../src/engine/types.ts";
import {
  collectEvents,
  sharedTinyEngine,
  tinyPrompt,
  withEngine,
  withTinyEngine,
  withTinyModel,
} from "../support/tiny_engine.ts";
import type { TinyModelOptions } from "../support/tiny_model.ts";

const MODEL = { contextLength: 1024 };
const FINE = { name: "paper" as const, keyRel: 0.004, valueRel: 0.004 };
const REQUEST: GenerateRequest = {
  promptIds: tinyPrompt(500, 1),
  maxTokens: 40,
  ignoreEos: true,
  sampling: { temperature: 1.2, seed: 3 },
};

async function run(engine: Engine, request = REQUEST) {
  const events = await collectEvents(engine, request);
  const ids = events.flatMap((event) => event.type === "token" ? [event.id] : []);
  const last = events.at(-1)!;
  return { ids, cached: last.type === "finish" ? last.cachedTokenCount : NaN };
}

const withOwn = <T>(
  modelPath: string,
  options: Partial<EngineOptions>,
  body: (engine: Engine) => Promise<T>,
) => withEngine({ modelPath, profile: FINE, sequenceCountMax: 2, ...options }, body);

/** Two engines of one model, for what leaves nothing in them. */
const shared = [1, 2].map(() =>
  sharedTinyEngine({ model: MODEL, profile: FINE, sequenceCountMax: 2 })
);

/** Empties an engine's cache of what ran in it last. */
async function forget(engine: Engine): Promise<void> {
  for (const { slot } of await engine.slots()) {
    await engine.actOnSlot(slot, { type: "erase" }).catch(() => {}); // nothing ran in it
  }
  assertEquals((await engine.stats()).retainedBytes, 0);
}

type WithOne = <T>(body: (engine: Engine) => Promise<T>) => Promise<T>;

/** Two engines of a model, of which the second may be opened after the first is closed. */
async function withTwo(
  { model, profile }: { model: Partial<TinyModelOptions>; profile: ProfileOptions },
  body: (withFirst: WithOne, withSecond: WithOne) => Promise<void>,
): Promise<void> {
  if (model === MODEL && profile === FINE) {
    const [first, second] = shared.map((each) => each());
    await body((use) => use(first), (use) => use(second));
    await forget(first);
    await forget(second);
    return;
  }
  await withTinyModel(model, async (path) => {
    const withOne: WithOne = (use) => withOwn(path, { profile }, use);
    await body(withOne, withOne);
  });
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "packkv-slots-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A ring of 32 tokens in layer 0, and learned sinks. */
const SINKS = {
  ...MODEL,
  architecture: "gpt-oss",
  type: "Q8_0",
  metadata: { "gpt-oss.attention.sliding_window": 32 },
} as const;

const SAVED = [
  { profile: FINE, model: MODEL },
  ...(["exact", "int8", "xquant"] as const).map((name) => ({ profile: { name }, model: MODEL })),
  { profile: FINE, model: SINKS },
];

for (const { profile, model } of SAVED) {
  const { architecture = "llama" }: Partial<TinyModelOptions> = model;
  Deno.test(`a sequence saved by one engine is restored by another, with the same text (${architecture}, ${profile.name})`, () =>
    withTwo({ model, profile }, (withFirst, withSecond) =>
      withFolder(async (folder) => {
        const file = `${folder}/doc`;
        const first = await withFirst(async (engine) => {
          const result = await run(engine);
          const outcome = await engine.actOnSlot(0, { type: "save", path: file });
          assertEquals(outcome.tokenCount, 448);
          assertEquals(outcome.sizeBytes, (await Deno.stat(file)).size);
          return result;
        });
        assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["doc"]);
        await withSecond(async (engine) => {
          const { tokenCount } = await engine.actOnSlot(1, { type: "restore", path: file });
          assertEquals(tokenCount, 448);
          assertEquals(await run(engine), { ids: first.ids, cached: 448 });
          // What was restored can be saved again.
          const again = await engine.actOnSlot(1, { type: "save", path: `${folder}/again` });
          assertEquals(again.tokenCount, 448);
          assertEquals(await Deno.readFile(`${folder}/again`), await Deno.readFile(file));
          await engine.actOnSlot(1, { type: "erase" });
          assertEquals((await run(engine)).cached, 0);
        });
      })));
}

/** Rows of its first layer see no more than their newest 192 tokens. */
const NEAR = {
  ...MODEL,
  architecture: "gpt-oss",
  type: "Q8_0",
  metadata: { "gpt-oss.attention.sliding_window": 192 },
} as const;

for (const [what, model] of [["all", MODEL], ["of a layer the newest tokens", NEAR]] as const) {
  Deno.test(`a prompt that ends with a block begins behind what was restored (keeps ${what})`, () =>
    withTwo({ model, profile: FINE }, (withFirst, withSecond) =>
      withFolder(async (folder) => {
        const file = `${folder}/doc`;
        const request = { ...REQUEST, promptIds: tinyPrompt(320, 1), maxTokens: 4 };
        const longer = { ...request, promptIds: [...request.promptIds, ...tinyPrompt(9, 2)] };
        const first = await withFirst(async (engine) => {
          const result = await run(engine, request);
          const outcome = await engine.actOnSlot(0, { type: "save", path: file });
          assertEquals(outcome.tokenCount, 320);
          return result;
        });
        await withSecond(async (engine) => {
          const { tokenCount } = await engine.actOnSlot(0, { type: "restore", path: file });
          assertEquals(tokenCount, 320);
          // The last token is always prefilled, and slices begin at blocks.
          assertEquals(await run(engine, request), { ids: first.ids, cached: 256 });
          assertEquals((await run(engine, longer)).cached, 320);
        });
      })));
}

Deno.test("a damaged, foreign or too long file is refused with the reason, and nothing changes", () =>
  withTinyModel(MODEL, (path) =>
    withFolder(async (folder) => {
      const file = `${folder}/doc`;
      const [saving, engine] = shared.map((each) => each());
      const first = await run(saving);
      await saving.actOnSlot(0, { type: "save", path: file });
      const bytes = await Deno.readFile(file);
      const changed = (change: (copy: Uint8Array<ArrayBuffer>) => Uint8Array) =>
        change(bytes.slice());
      const flipped = (index: number) =>
        changed((copy) => {
          copy[index] ^= 16;
          return copy;
        });
      const cases: [why: string, content: Uint8Array, message: RegExp][] = [
        ["magic", flipped(1), /does not begin with PKVS/],
        ["version", flipped(4), /has version 17, must be 1/],
        ["header", flipped(40), /checksum of its header/],
        ["block", flipped(bytes.length >> 1), /checksum/],
        ["last byte", flipped(bytes.length - 1), /checksum/],
        ["truncated", bytes.slice(0, bytes.length - 7), /cut/],
        ["no header", bytes.slice(0, 9), /no whole header/],
        ["longer", changed((copy) => new Uint8Array([...copy, 0])), /sections end/],
      ];
      const bad = `${folder}/bad`;
      for (const [why, content, message] of cases) {
        await Deno.writeFile(bad, content);
        const act = () => engine.actOnSlot(0, { type: "restore", path: bad });
        const error = await assertRejects(act, Error) as Error;
        assert(message.test(error.message), `${why}: ${error.message}`);
      }
      const missing = { type: "restore" as const, path: `${folder}/nothing` };
      await assertRejects(() => engine.actOnSlot(0, missing), Error, "Cannot restore slot 0");
      assertEquals((await engine.stats()).retainedBytes, 0);
      assertEquals(await run(engine), { ...first, cached: 0 }, "it serves all the same");
      const refusals: [options: Partial<EngineOptions>, message: RegExp][] = [
        [{ profile: { name: "paper" } }, /with profile .*this server has/],
        [{ contextLength: 300 }, /500 tokens, the context holds 300/],
        [{ cacheSizeBytes: 40 * 1024 }, /no room for its 448 tokens/],
        [{ sharesPrefixes: false }, /blocks are not kept/],
      ];
      for (const [options, message] of refusals) {
        await withOwn(path, options, async (engine) => {
          const act = () => engine.actOnSlot(0, { type: "restore", path: file });
          const error = await assertRejects(act, Error) as Error;
          assert(message.test(error.message), error.message);
        });
      }
      await withTinyModel({ ...MODEL, seed: 2 }, (other) =>
        withOwn(other, {}, async (engine) => {
          const act = () => engine.actOnSlot(0, { type: "restore", path: file });
          await assertRejects(act, Error, "another model");
        }));
      await forget(saving);
      await forget(engine);
    })));

Deno.test("slots tell what runs in them, and refuse to change under a running sequence", () =>
  withTinyEngine({ model: MODEL, sequenceCountMax: 2 }, async (engine) => {
    const idle = await engine.slots();
    assertEquals(idle.map(({ slot, phase }) => [slot, phase]), [[0, "idle"], [1, "idle"]]);
    const act = (slot: number, type: "save" | "erase") =>
      engine.actOnSlot(slot, type === "save" ? { type, path: "/nowhere/file" } : { type });
    await assertRejects(() => act(0, "save"), Error, "nothing ran in it yet");
    await assertRejects(() => act(2, "erase"), Error, "wanted 0 to 1");
    const running = engine.generate({ ...REQUEST, maxTokens: 300 })[Symbol.asyncIterator]();
    while ((await running.next()).value.type !== "token");
    const [slot] = await engine.slots();
    assertEquals([slot.phase, slot.promptTokenCount], ["decode", 500]);
    assert(slot.storedTokenCount >= 500 && slot.packedBytes > 0);
    assert(slot.rawBytes > 3 * slot.packedBytes, "five blocks, packed");
    await assertRejects(() => act(0, "erase"), Error, "a sequence runs in it");
    const failure = await assertRejects(() => act(0, "save"), EngineError) as EngineError;
    assertEquals(failure.code, "storage_failed");
    assertEquals(failure.message, "Cannot save slot 0: No such file or directory");
    await running.return?.();
  }));
