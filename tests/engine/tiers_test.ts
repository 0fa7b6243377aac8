/** Blocks in host memory and on disk, through the engine. */

import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { createEngine } from "../../src/engine/client.ts";
import type { Engine, EngineOptions, GenerateRequest } from "../../src/engine/types.ts";
import {
  collectEvents,
  collectIds,
  tinyPrompt,
  withEngine,
  withTinyModel,
} from "../support/tiny_engine.ts";
import { eventually } from "../support/waiting.ts";

const MODEL = { contextLength: 2048 };
const FINE = { name: "paper" as const, keyRel: 0.004, valueRel: 0.004 };

const request = (seed: number): GenerateRequest => ({
  promptIds: tinyPrompt(800, seed),
  maxTokens: 60,
  ignoreEos: true,
  sampling: { temperature: 1.2, seed },
});

async function run(
  engine: Engine,
  of: GenerateRequest,
): Promise<{ ids: number[]; cached: number }> {
  const events = await collectEvents(engine, of);
  const ids = events.flatMap((event) => event.type === "token" ? [event.id] : []);
  const last = events.at(-1)!;
  return { ids, cached: last.type === "finish" ? last.cachedTokenCount : NaN };
}

/** Runs `body` with an engine of the model at `modelPath`, and closes it. */
const withOwn = <T>(
  modelPath: string,
  options: Partial<EngineOptions>,
  body: (engine: Engine) => Promise<T>,
) => withEngine({ modelPath, profile: FINE, ...options }, body);

const HOST_CASES = [
  { profile: FINE },
  { profile: { name: "exact" as const } },
  { profile: { name: "int8" as const } },
  { profile: { name: "xquant" as const } },
  // Summaries of loaded blocks are those of blocks that were never away.
  { profile: { name: "int8" as const }, read: "clusterkv:tokens=128,dense=0" },
];

for (const options of HOST_CASES) {
  const { profile } = options;
  const what = Object.values({ ...options, profile: profile.name }).join(", ");
  Deno.test(`blocks given up on the device are read back from the host, bit for bit (${what})`, () =>
    withTinyModel(MODEL, async (path) => {
      const cacheSizeBytes = profile.name === "exact" ? 900 * 1024 : 450 * 1024;
      await withOwn(
        path,
        { ...options, cacheSizeBytes, hostSizeBytes: 2 ** 24 },
        async (engine) => {
          const first = await run(engine, request(1));
          for (const seed of [2, 3, 4]) await run(engine, request(seed));
          await eventually(async () => (await engine.stats()).hostBytes > 2 ** 20);
          const again = await run(engine, request(1));
          assertEquals([first.cached, again.cached], [0, 768]);
          const without = await run(engine, { ...request(1), skipsCache: true });
          assertEquals(without.cached, 0);
          assertEquals([first.ids, again.ids], [without.ids, without.ids]);
        },
      );
    }));
}

Deno.test("after a restart a prompt is served from disk, with the same text", () =>
  withTinyModel(MODEL, async (path) => {
    const diskFolder = await Deno.makeTempDir({ prefix: "packkv-tier-" });
    try {
      const first = await withOwn(path, { diskFolder }, async (engine) => {
        const result = await run(engine, request(1));
        assertEquals(engine.info.diskFolder, diskFolder);
        return result;
      });
      await withOwn(path, { diskFolder }, async (engine) => {
        assertGreater((await engine.stats()).diskBytes, 100_000);
        const second = await run(engine, request(1));
        assertEquals([second.cached, second.ids], [768, first.ids]);
        const { promptTokenCount } = await engine.stats();
        assertEquals(promptTokenCount, 32);
      });
      // Another profile has blocks of its own; a damaged file is prefilled again.
      await withOwn(path, { diskFolder, profile: { name: "paper" } }, async (engine) => {
        assertEquals((await run(engine, request(1))).cached, 0);
      });
      for await (const root of Deno.readDir(diskFolder)) {
        for await (const { name } of Deno.readDir(`${diskFolder}/${root.name}`)) {
          const file = `${diskFolder}/${root.name}/${name}`;
          const bytes = await Deno.readFile(file);
          bytes[bytes.length >> 1] ^= 1;
          await Deno.writeFile(file, bytes);
        }
      }
      const { error } = console;
      console.error = () => {};
      try {
        await withOwn(path, { diskFolder }, async (engine) => {
          const damaged = await run(engine, request(1));
          assertEquals([damaged.cached, damaged.ids], [0, first.ids]);
        });
      } finally {
        console.error = error;
      }
    } finally {
      await Deno.remove(diskFolder, { recursive: true });
    }
  }));

/** Models of whose layers one keeps a ring of its newest tokens, which no block of the tier has. */
const RINGS = [
  { architecture: "gpt-oss", metadata: { "gpt-oss.attention.sliding_window": 32 } },
  { architecture: "gemma4" },
];

for (const model of RINGS) {
  Deno.test(`after a restart a prompt of ${model.architecture} is served from disk, with the same text`, () =>
    withTinyModel({ ...MODEL, type: "Q8_0", ...model }, async (path) => {
      const diskFolder = await Deno.makeTempDir({ prefix: "packkv-tier-" });
      try {
        const start = { diskFolder, sequenceCountMax: 1 };
        const first = await withOwn(path, start, (engine) => run(engine, request(1)));
        const second = await withOwn(path, start, (engine) => run(engine, request(1)));
        assertEquals(second, { ids: first.ids, cached: 768 });
      } finally {
        await Deno.remove(diskFolder, { recursive: true });
      }
    }));
}

Deno.test("an engine is served from disk what another one of the same folder wrote after its start", () =>
  withTinyModel(MODEL, async (path) => {
    const diskFolder = await Deno.makeTempDir({ prefix: "packkv-tier-" });
    try {
      await withOwn(path, { diskFolder }, async (second) => {
        const first = await withOwn(path, { diskFolder }, (engine) => run(engine, request(1)));
        assertEquals(await run(second, request(1)), { ids: first.ids, cached: 768 });
        // What the other one deletes meanwhile is prefilled.
        await withOwn(path, { diskFolder }, (engine) => run(engine, request(2)));
        for await (const root of Deno.readDir(diskFolder)) {
          for await (const { name } of Deno.readDir(`${diskFolder}/${root.name}`)) {
            await Deno.remove(`${diskFolder}/${root.name}/${name}`);
          }
        }
        assertEquals((await run(second, request(2))).cached, 0);
      });
    } finally {
      await Deno.remove(diskFolder, { recursive: true });
    }
  }));

Deno.test("a request that is aborted while its blocks are read from disk never starts", () =>
  withTinyModel(MODEL, async (path) => {
    const diskFolder = await Deno.makeTempDir({ prefix: "packkv-tier-" });
    try {
      await withOwn(path, { diskFolder }, (engine) => collectIds(engine, request(1)));
      await withOwn(path, { diskFolder }, async (engine) => {
        const abort = new AbortController();
        const reading = collectIds(engine, { ...request(1), signal: abort.signal });
        abort.abort();
        await assertRejects(() => reading, Error, "aborted");
        const { runningSequenceCount, stepCount } = await engine.stats();
        assertEquals([runningSequenceCount, stepCount], [0, 0]);
        assertEquals((await run(engine, request(1))).cached, 768);
      });
    } finally {
      await Deno.remove(diskFolder, { recursive: true });
    }
  }));

Deno.test("an engine says which folder it cannot use, and which options contradict", () =>
  withTinyModel(MODEL, async (path) => {
    const options = { modelPath: path, diskFolder: `${path}/inside a file` };
    const error = await assertRejects(() => createEngine(options), Error, "Cannot use");
    assert((error as Error).message.includes("inside a file"));
    const contradictions = [{ hostSizeBytes: 0 }, { sharesPrefixes: false }];
    for (const extra of contradictions) {
      await assertRejects(
        () => createEngine({ modelPath: path, diskFolder: "x", ...extra }),
        RangeError,
      );
    }
  }));
