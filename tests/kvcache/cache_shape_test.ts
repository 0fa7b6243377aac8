import { assert, assertEquals, assertThrows } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import type { ModelShape } from "../../src/core/shapes.ts";
import { cacheShape } from "../../src/kvcache/cache_shape.ts";

const MODEL: ModelShape = {
  name: "test",
  layerCount: 30,
  width: 576,
  feedForwardWidth: 1536,
  queryHeadCount: 9,
  kvHeadCount: 3,
  headSize: 64,
  vocabSize: 1000,
  contextLengthTrained: 8192,
  tiedOutput: true,
  parameterCount: 1,
};
const OPTIONS = {
  slotCount: 4,
  contextLength: 8192,
  recordWordsMax: 4000,
  bindingSizeMax: 128 * 2 ** 20,
};

Deno.test("cacheShape() puts every layer into exactly one arena group that fits a binding", () => {
  for (const bindingSizeMax of [2 ** 21, 2 ** 24, 2 ** 27, 2 ** 30]) {
    const { groups } = cacheShape(MODEL, { ...OPTIONS, bindingSizeMax });
    let next = 0;
    for (const { firstStore, storeCount, wordCount } of groups) {
      assertEquals(firstStore, next);
      assert(storeCount >= 1);
      assert(wordCount * 4 <= bindingSizeMax);
      next += storeCount;
    }
    assertEquals(next, MODEL.layerCount);
  }
});

Deno.test("cacheShape() holds the worst case of every slot if no budget is given", () => {
  const shape = cacheShape(MODEL, OPTIONS);
  assertEquals(shape.blockCountMax, 126);
  const words = shape.groups.reduce((sum, { wordCount }) => sum + wordCount, 0);
  const needWords = 4 * 126 * 30 * 4032; // 4000 words are 63 units of 64
  assert(Math.abs(words - needWords) < 64 * 30, `${words} of ${needWords}`);
});

Deno.test("cacheShape() keeps within a budget, and refuses one that holds no block", () => {
  const arenaSizeBytes = 2 ** 22;
  const { groups } = cacheShape(MODEL, { ...OPTIONS, arenaSizeBytes });
  assert(groups.reduce((sum, { wordCount }) => sum + wordCount * 4, 0) <= arenaSizeBytes);
  const error = assertThrows(
    () => cacheShape(MODEL, { ...OPTIONS, arenaSizeBytes: 1000 }),
    EngineError,
    "the budget is 1000",
  );
  assertEquals(error.code, "model_too_large");
});

Deno.test("a pool of values has its share of the arena, and lets records be no larger than whole ones", () => {
  const near = { reach: 2048, isSealed: true };
  const [pool, arenaSizeBytes] = [0.2, 2 ** 24];
  for (const [every, contextLength] of [[1, 8192], [6, 8192], [6, 2048]]) {
    const layerKeeps = Array.from(
      { length: MODEL.layerCount },
      (_, layer) => (layer + 1) % every === 0 ? "sealed" as const : near,
    );
    const sizes = { contextLength, arenaSizeBytes, valueShare: pool, denseLayerCount: 0 };
    const { groups } = cacheShape(MODEL, { ...OPTIONS, ...sizes, layerKeeps });
    for (const { wordCount, valueWordCount, blockWordsMax } of groups) {
      const share = valueWordCount / (wordCount + valueWordCount);
      assert(Math.abs(share - pool) < 0.001, `${share} of a group`);
      // As many words as let the pool hold a store of all blocks; values are half of a record.
      const blockWords = OPTIONS.recordWordsMax / 2 * wordCount / valueWordCount;
      assert(blockWords <= blockWordsMax, `${blockWords} of ${blockWordsMax}`);
    }
  }
});

Deno.test("cacheShape() refuses a window that does not fit a binding, with both numbers", () => {
  const error = assertThrows(
    () => cacheShape(MODEL, { ...OPTIONS, bindingSizeMax: 2 ** 18 }),
    EngineError,
    "262144",
  );
  assertEquals(error.code, "model_too_large");
});

Deno.test("cacheShape() never parts a layer without codes from the one before, and counts its words", () => {
  const sizes = { recordWordsMax: 1920, codelessWords: 384 };
  for (const bindingSizeMax of [2 ** 20, 2 ** 21, 2 ** 23, 2 ** 24, 2 ** 27, 2 ** 30]) {
    const { groups, stores } = cacheShape(MODEL, { ...OPTIONS, ...sizes, bindingSizeMax });
    assertEquals(stores.map(({ hasCodes }) => hasCodes), stores.map((_, store) => store % 2 === 0));
    let next = 0;
    for (const { firstStore, storeCount, wordCount, blockWordsMax } of groups) {
      assertEquals([firstStore, firstStore % 2, storeCount % 2], [next, 0, 0]);
      assert(storeCount >= 2 && wordCount * 4 <= bindingSizeMax);
      assertEquals(blockWordsMax, storeCount / 2 * (1920 + 384));
      next += storeCount;
    }
    assertEquals(next, MODEL.layerCount);
  }
  const wordsOf = (options: Partial<Parameters<typeof cacheShape>[1]>) =>
    cacheShape(MODEL, { ...OPTIONS, ...options }).groups
      .reduce((sum, { wordCount }) => sum + wordCount, 0);
  const [shared, alone] = [wordsOf(sizes), wordsOf({ recordWordsMax: 1920 })];
  assert(Math.abs(shared / alone - (1920 + 384) / (2 * 1920)) < 1e-4, `${shared} of ${alone}`);
});

Deno.test("an odd layer behind one that seals nothing has codes of its own", () => {
  const model = { ...MODEL, layerCount: 8 };
  const window = { reach: 128 } as const;
  const { stores, groups } = cacheShape(model, {
    ...OPTIONS,
    recordWordsMax: 1920,
    codelessWords: 384,
    layerKeeps: ["sealed", "sealed", window, "sealed", "none", "sealed", { sameAs: 0 }, "sealed"],
  });
  const codeless = stores.filter(({ hasCodes }) => !hasCodes).map(({ layer }) => layer);
  assertEquals(codeless, [1]);
  assertEquals(groups.map(({ blockWordsMax }) => blockWordsMax), [4 * 1920 + 384]);
});
