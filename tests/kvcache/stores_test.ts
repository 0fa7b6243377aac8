/** Layers that share what is kept, keep a window only, or keep nothing. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  cacheShape,
  cacheSizeBytes,
  type LayerKeeps,
  nearStores,
} from "../../src/kvcache/cache_shape.ts";
import type { ProfileOptions } from "../../src/codec/profile_types.ts";
import type { LoadedModel } from "../../src/runtime/load_model.ts";
import { heldBlockCountMax } from "../../src/kvcache/store.ts";
import { KvCache } from "../../src/kvcache/kv_cache.ts";
import { testGpu } from "../support/gpu.ts";
import { StepHarness, withLoadedModel } from "../support/step_harness.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** No more than the window that every store has. */
const WINDOW = { reach: 128 } as const;

const MODEL = { kvHeadCount: 1, headSize: 32 } as const;

function shapeOf(
  layerKeeps: readonly LayerKeeps[],
  options: {
    bindingSizeMax?: number;
    contextLength?: number;
    windowBlockCount?: number;
    arenaSizeBytes?: number;
  } = {},
) {
  const model = { ...MODEL, layerCount: layerKeeps.length } as Parameters<typeof cacheShape>[0];
  return cacheShape(model, {
    slotCount: 2,
    contextLength: 1024,
    recordWordsMax: 2048,
    bindingSizeMax: 2 ** 27,
    layerKeeps,
    ...options,
  });
}

Deno.test("a cache has a store for each layer that keeps something of its own", () => {
  const shape = shapeOf(["sealed", "none", WINDOW, { sameAs: 0 }, { sameAs: 2 }, "sealed"]);
  assertEquals(shape.storeOf, [0, null, 1, 0, 1, 2]);
  assertEquals(shape.stores.map(({ layer, isSealed }) => [layer, isSealed]), [
    [0, true],
    [2, false],
    [5, true],
  ]);
  assertEquals(
    shape.groups.map(({ storeCount, windowStoreCount }) => {
      return [storeCount, windowStoreCount];
    }),
    [[3, 1]],
  );
});

Deno.test("the arena has room for the records of sealed stores alone", () => {
  const words = (layerKeeps: LayerKeeps[]) =>
    shapeOf(layerKeeps).groups.reduce((sum, { wordCount }) => sum + wordCount, 0);
  const alone = words(["sealed", "sealed"]);
  assertEquals(words(["sealed", WINDOW, { sameAs: 0 }, "none", "sealed"]), alone);
});

Deno.test("what a layer with a window keeps is as long as it sees, whatever the context", () => {
  const layerKeeps: LayerKeeps[] = ["sealed", { reach: 512 }, { reach: 32 }];
  const short = shapeOf(layerKeeps);
  const long = shapeOf(layerKeeps, { contextLength: 32768 });
  // Of 512: the tokens before a block, and its own.
  assertEquals(long.stores.map(({ tileCount }) => tileCount), [3, 9, 3]);
  const [before, after] = [cacheSizeBytes(short), cacheSizeBytes(long)];
  assertEquals(after.window, before.window);
  assertEquals(after.arena, cacheSizeBytes(shapeOf(["sealed"], { contextLength: 32768 })).arena);
  assert(after.arena > 30 * before.arena, "the other layer keeps all of it");
});

Deno.test("what a layer seals within a window has as much room however long the context is", () => {
  const layerKeeps: LayerKeeps[] = ["sealed", { reach: 512, isSealed: true }, { reach: 512 }];
  const [short, long] = [1024, 32768].map((contextLength) =>
    shapeOf(layerKeeps, { contextLength })
  );
  assertEquals(long.stores.map(({ tileCount }) => tileCount), [3, 3, 9]);
  assertEquals(nearStores(long), { stores: [1], blockCount: 8 });
  assertEquals(nearStores(shapeOf(["sealed", { reach: 512 }])), null);
  // 6 blocks behind 2 raw ones, and one that is sealed before the oldest is freed.
  assertEquals(long.stores.map((store) => heldBlockCountMax(store, long)), [510, 7, 0]);
  const arenaOf = (shape: typeof short) => cacheSizeBytes(shape).arena;
  const alone = (contextLength: number) => arenaOf(shapeOf(["sealed"], { contextLength }));
  const within = arenaOf(long) - alone(32768);
  assertEquals([within, arenaOf(short) - alone(1024)], [2 * 7 * 2048 * 4, within]);
});

Deno.test("with less memory, what a window seals has its room before what grows", () => {
  const layerKeeps: LayerKeeps[] = ["sealed", { reach: 512, isSealed: true }];
  const recordBytes = 2048 * 4;
  const bindingSizeMax = 100 * recordBytes;
  const arenaSizeBytes = 60 * recordBytes;
  const { groups } = shapeOf(layerKeeps, { bindingSizeMax, arenaSizeBytes, contextLength: 32768 });
  assertEquals(groups.map(({ storeCount }) => storeCount), [2]);
  const apart = shapeOf(layerKeeps, {
    bindingSizeMax: 50 * recordBytes,
    arenaSizeBytes,
    contextLength: 32768,
  });
  assertEquals(apart.groups.map(({ wordCount }) => wordCount * 4 / recordBytes), [46, 14]);
});

Deno.test("a cache has a raw tile more than whole blocks stay raw, and seals all others", () => {
  for (const [windowBlockCount, tiles] of [[0, [1, 9, 2]], [2, [3, 9, 3]], [16, [17, 17, 17]]]) {
    const options = { contextLength: 32768, windowBlockCount: Number(windowBlockCount) };
    const shape = shapeOf(["sealed", { reach: 512 }, { reach: 32 }], options);
    assertEquals(shape.stores.map(({ tileCount }) => tileCount), tiles);
    assertEquals(shape.blockCountMax, 512 - Number(windowBlockCount));
  }
});

Deno.test("layers read the window, arena and lists of their store, whatever group it is in", async () => {
  const gpu = await testGpu();
  const layerKeeps: LayerKeeps[] = ["sealed", "sealed", WINDOW, "sealed", { sameAs: 0 }, {
    sameAs: 2,
  }];
  // A binding holds what one store needs.
  const shape = shapeOf(layerKeeps, { bindingSizeMax: 2 * 14 * 2048 * 4 });
  assertEquals(
    shape.groups.map(({ firstStore, storeCount, windowStoreCount }) => {
      return [firstStore, storeCount, windowStoreCount];
    }),
    [[0, 1, 0], [1, 2, 1], [3, 1, 0]],
  );
  const cache = new KvCache(gpu, shape);
  assertEquals(cache.windows.length, 4);
  assertStrictEquals(cache.windowOf(4), cache.windowOf(0));
  assertStrictEquals(cache.arenaOf(4), cache.arenas[0]);
  assertEquals(cache.directoryOf(4), cache.directoryOf(0));
  assertStrictEquals(cache.windowOf(5), cache.windowOf(2));
  assert(cache.arenaOf(3) === cache.arenas[2] && cache.windowOf(3) !== cache.windowOf(0));
  assertEquals(cache.sealed.map(({ store, layer }) => [store, layer]), [[0, 0], [1, 1], [3, 3]]);
  assertEquals(cache.sealedGroups, [0, 1, 2].map((first) => ({ first, count: 1 })));
  cache.destroy();
});

const WRONG: [state: string, layerKeeps: LayerKeeps[], message: string][] = [
  ["reads what a layer behind it keeps", [{ sameAs: 1 }, "sealed"], "layer 0"],
  ["reads what nobody keeps", ["sealed", "none", { sameAs: 1 }], "layer 2"],
];

for (const [state, layerKeeps, message] of WRONG) {
  Deno.test(`a layer that ${state} is refused`, () => {
    assertThrows(() => shapeOf(layerKeeps), RangeError, message);
  });
}

Deno.test("a cache without any sealed store is refused", () => {
  assertThrows(() => shapeOf([WINDOW, "none"]), RangeError, "no layer keeps sealed blocks");
});

/** Records of layers 0 and 1, and the sizes of all, of a prompt whose last layer keeps so much. */
async function runLast(model: LoadedModel, profile: ProfileOptions, last: LayerKeeps) {
  const options = { profile, slotCount: 1, contextLength: 512 };
  const harness = await StepHarness.on(model, {
    ...options,
    layerKeeps: ["sealed", "sealed", last],
  });
  try {
    harness.admit(1, tinyPrompt(330, 7), 1);
    const records: Uint32Array[] = [];
    const counts: (readonly number[])[] = [];
    for (let ran = await harness.step(); ran; ran = await harness.step()) {
      counts.push(...ran.result.recordWords);
      for (const pack of ran.plan.packs) {
        for (const layer of [0, 1]) {
          records.push(await harness.recordWords(pack, layer, counts[pack.blockIndex][layer]));
        }
      }
    }
    return { records, counts };
  } finally {
    harness.runner.destroy();
  }
}

Deno.test("a store that keeps a window only seals nothing, and the others what they always do", (t) =>
  withTinyModel({ layerCount: 3 }, (path) =>
    withLoadedModel(path, async (model) => {
      for (const name of ["exact", "paper", "int8", "xquant", "balanced"] as const) {
        await t.step(name, async () => {
          // Nothing is computed from what the last layer attends to but logits.
          const whole = await runLast(model, { name }, "sealed");
          const part = await runLast(model, { name }, WINDOW);
          assert(whole.records.length >= 4, "blocks are sealed");
          assertEquals(part.records, whole.records);
          assertEquals(part.counts, whole.counts.map((counts) => counts.with(2, 0)));
        });
      }
    })));
