/** Tokens that are described by others of their block: bytes, texts, tiers, refusals. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Engine, EngineOptions, GenerateRequest } from "../../src/engine/types.ts";
import {
  collectEvents,
  collectIds,
  tinyPrompt,
  withEngine,
  withTinyModel,
} from "../support/tiny_engine.ts";

const MODEL = { layerCount: 2, contextLength: 1024, type: "F32" } as const;
const profile = { name: "deltakv", neighbourCount: 2 } as const;
/** Three tokens in turn: each is like every third, but for its position. */
const ALIKE = Array.from({ length: 330 }, (_, at) => tinyPrompt(3, 5)[at % 3]);
const REQUEST: GenerateRequest = { promptIds: ALIKE, maxTokens: 4, ignoreEos: true };
const OTHER: GenerateRequest = { ...REQUEST, promptIds: tinyPrompt(330, 7) };

const withOwn = <T>(options: EngineOptions, body: (engine: Engine) => Promise<T>) =>
  withEngine({ tune: "off", sequenceCountMax: 3, profile, ...options }, body);

async function run(engine: Engine, request = REQUEST): Promise<{ ids: number[]; cached: number }> {
  const events = await collectEvents(engine, request);
  const ids = events.flatMap((event) => event.type === "token" ? [event.id] : []);
  const last = events.at(-1)!;
  return { ids, cached: last.type === "finish" ? last.cachedTokenCount : NaN };
}

/** Bytes of the sealed blocks of a prompt while it is answered, and the answer. */
async function answered(engine: Engine, request: GenerateRequest) {
  const ids: number[] = [];
  let packed = 0;
  for await (const event of engine.generate({ ...request, maxTokens: 16 })) {
    if (event.type !== "token") continue;
    ids.push(event.id);
    if (packed === 0) packed = (await engine.stats()).cacheBytes.packed;
  }
  return { ids, packed };
}

Deno.test("blocks of tokens that are alike take fewer bytes in the arena than paper's, others hardly more, with the same text, and it is told how many fell back", () =>
  withTinyModel(MODEL, async (modelPath) => {
    const paper = { name: "paper" } as const;
    const [alike, other] = await withOwn({ modelPath, profile: paper }, async (engine) => [
      await answered(engine, REQUEST),
      await answered(engine, OTHER),
    ]);
    await withOwn({ modelPath }, async (engine) => {
      const described = await answered(engine, REQUEST);
      const { packed } = described;
      assert(packed > 0 && packed < 0.85 * alike.packed, `${packed} bytes for ${alike.packed}`);
      const first = await engine.stats();
      assertEquals(first.describableRecordCount, 2 * 3, "three blocks of two layers");
      assertEquals(first.describedRecordCount, 2 * 3);
      const hardly = await answered(engine, OTHER);
      assert(
        hardly.packed <= other.packed + 2 * 3 * 4 * 4,
        `${hardly.packed} bytes for ${other.packed}`,
      );
      assertEquals([described.ids, hardly.ids], [alike.ids, other.ids]);
      const { describableRecordCount, describedRecordCount } = await engine.stats();
      assertEquals(describableRecordCount, 2 * 6);
      assert(describedRecordCount < 2 * 6, "some fell back");
    });
  }));

Deno.test("described blocks give the same text alone, in company, behind a cached prompt, from disk and restored", () =>
  withTinyModel(MODEL, async (modelPath) => {
    const [disk, file] = [`${modelPath}.disk`, `${modelPath}.slot`];
    const requests = [REQUEST, OTHER, { ...REQUEST, promptIds: ALIKE.slice(0, 270) }];
    const alone = await withOwn({ modelPath, diskFolder: disk }, async (engine) => {
      const alone: number[][] = [];
      for (const each of requests) {
        alone.push(await collectIds(engine, { ...each, skipsCache: true }));
      }
      const together = await Promise.all(requests.map((each) => collectIds(engine, each)));
      assertEquals(together, alone);
      const { ids, cached } = await run(engine);
      assertEquals(ids, alone[0]);
      assert(cached >= 192, `${cached} tokens were cached`);
      return alone;
    });
    await withOwn({ modelPath, diskFolder: disk }, async (engine) => {
      const { ids, cached } = await run(engine);
      assertEquals(ids, alone[0]);
      assert(cached >= 192, "blocks on disk were found");
      await engine.actOnSlot(0, { type: "save", path: file });
    });
    await withOwn({ modelPath }, async (engine) => {
      await engine.actOnSlot(1, { type: "restore", path: file });
      const { ids, cached } = await run(engine);
      assertEquals(ids, alone[0]);
      assert(cached >= 192, "the slot was restored");
    });
  }));

Deno.test("an engine refuses by name what described blocks cannot go with", () =>
  withTinyModel(MODEL, async (modelPath) => {
    const refused = (options: Partial<EngineOptions>, message: string) =>
      assertRejects(() => withOwn({ modelPath, ...options }, run), Error, message);
    const unpacked = "with --profile deltakv: its blocks are unpacked whole, for all heads at once";
    for (const read of ["quest:blocks=2", "clusterkv:tokens=64", "hcattention:tau=0.9"]) {
      await refused({ read }, read.startsWith("hc") ? "--profile deltakv" : unpacked);
    }
    await refused({ keep: "chunkkv:ratio=0.5" }, "no kernel puts parts of its records together");
    const strided = { ...profile, stride: 3 };
    await refused({ profile: strided }, "stride 3: must be a whole number from 4 to 16");
  }));
