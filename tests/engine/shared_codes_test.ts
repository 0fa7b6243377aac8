/** Layers that read the codes of the layer before: bytes, texts, names of blocks, refusals. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { XquantLayout } from "../../src/codec/xquant/layout.ts";
import type { Engine, EngineOptions, GenerateRequest } from "../../src/engine/types.ts";
import {
  collectEvents,
  idleStats,
  tinyPrompt,
  withEngine,
  withTinyModel,
} from "../support/tiny_engine.ts";

const HEADS = { kvHeadCount: 2, headSize: 32 };
const MODEL = { ...HEADS, layerCount: 3, contextLength: 1024 };
const REQUEST: GenerateRequest = { promptIds: tinyPrompt(330, 7), maxTokens: 8, ignoreEos: true };
/** Blocks of the prompt that are sealed while it is answered. */
const BLOCK_COUNT = 3;

const withOwn = <T>(options: EngineOptions, body: (engine: Engine) => Promise<T>) =>
  withEngine({ tune: "off", ...options }, body);

async function run(
  engine: Engine,
  request = REQUEST,
): Promise<{ ids: number[]; cached: number }> {
  const events = await collectEvents(engine, request);
  const ids = events.flatMap((event) => event.type === "token" ? [event.id] : []);
  const last = events.at(-1)!;
  return { ids, cached: last.type === "finish" ? last.cachedTokenCount : NaN };
}

Deno.test("an odd layer takes its minima and steps in the arena, an even one codes too; room is counted by both", () =>
  withTinyModel(MODEL, async (modelPath) => {
    const layout = new XquantLayout(HEADS, { name: "xquant", bits: "2", shrink: 1 });
    const [own, codeless] = [layout.ownWords * 4, layout.paramWords * 4];
    const arenaBlockCount = 7;
    // A share of the arena is whole units of 256 bytes.
    const cacheSizeBytes = arenaBlockCount * (2 * own + codeless) + 1024;
    const options = { modelPath, cacheSizeBytes };
    await withOwn({ ...options, share: "xquant" }, async (engine) => {
      assertEquals(engine.info.profile, "xquant (bits 2, shrink 1)");
      assertEquals(engine.info.blockCapacity, arenaBlockCount);
      let packed: number[] = [];
      for await (const event of engine.generate(REQUEST)) {
        if (event.type !== "token" || packed.length > 0) continue;
        const { layerBytes, cacheBytes } = await engine.stats();
        packed = layerBytes.map((layer) => layer.packed);
        assertEquals(packed.reduce((sum, bytes) => sum + bytes, 0), cacheBytes.packed);
        assertEquals(cacheBytes.payload, BLOCK_COUNT * 2 * (own - codeless));
      }
      assertEquals(packed, [own, codeless, own].map((bytes) => BLOCK_COUNT * bytes));
    });
  }));

/** Goes away after its first token. */
async function goAway(engine: Engine): Promise<void> {
  const request = { ...REQUEST, promptIds: tinyPrompt(200, 9), maxTokens: 500 };
  for await (const event of engine.generate(request)) if (event.type === "token") return;
}

Deno.test("blocks that share codes: the same text in company, found again by engines with the same settings only", () =>
  withTinyModel(MODEL, async (modelPath) => {
    const options = { modelPath, diskFolder: `${modelPath}.disk` };
    const first = await withOwn({ ...options, share: "xquant:bits=1" }, async (engine) => {
      const without = await run(engine);
      const cached = await run(engine);
      assertEquals(cached.ids, without.ids);
      assert(cached.cached > 0, "the prompt was cached");
      const other = { ...REQUEST, promptIds: tinyPrompt(270, 8) };
      const beside = await Promise.all([run(engine), run(engine, other), goAway(engine)]);
      assertEquals(beside[0].ids, without.ids);
      const skipping = { ...other, skipsCache: true };
      assertEquals(beside[1].ids, (await run(engine, skipping)).ids);
      assertEquals((await idleStats(engine)).cacheBytes.packed, 0, "what went away is freed");
      return without;
    });
    assertEquals(first.cached, 0);
    const profile = { name: "xquant", bits: "1" } as const;
    const again = await withOwn({ ...options, profile }, run);
    assertEquals(again.ids, first.ids);
    assert(again.cached > 0, "blocks on disk were found");
    const other = await withOwn({ ...options, share: "xquant:bits=1,shrink=0" }, run);
    assertEquals(other.cached, 0, "another shrink, other blocks");
  }));

Deno.test("an engine refuses a share that names settings, profiles or methods which do not go together", async () => {
  const refused = (modelPath: string, options: Partial<EngineOptions>, message: string) =>
    assertRejects(() => withOwn({ modelPath, ...options }, run), Error, message);
  const none = "no-such.gguf"; // said before anything is read
  await refused(none, { share: "xquant:bits=3" }, "xquant:bits=3: must be 2, 1 or 2-1");
  await refused(none, { share: "xquant:k-step=2" }, 'takes bits=…, shrink=…, not "k-step=2"');
  await refused(none, { share: "xquant:bits=2,bits=1" }, "bits is twice");
  await refused(none, { share: "xquant:" }, 'not ""');
  await refused(none, { share: "kvsharer:2,xquant" }, "--profile xquant and --share kvsharer:N");
  const profile = { name: "balanced" } as const;
  await refused(none, { share: "xquant", profile }, "xquant is a codec of its own");
  await withTinyModel({ ...MODEL, layerCount: 1 }, async (path) => {
    await refused(path, { share: "xquant" }, "no odd layer stands behind one");
  });
  await withTinyModel(MODEL, async (path) => {
    const keep = "chunkkv:ratio=0.5";
    await refused(path, { share: "xquant", keep }, "no kernel puts parts of its records together");
  });
});
