/** Blocks that a policy drops when they leave the window: memory, text and what shares them. */

import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { createEngine } from "../../src/engine/client.ts";
import type { Engine, GenerateRequest } from "../../src/engine/types.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { createSequenceRun } from "../../src/runtime/sequence_run.ts";
import { loadModel } from "../../src/runtime/load_model.ts";
import { dropBlocks } from "../../src/scheduler/seal_policies/drop_blocks.ts";
import { assertNear } from "../support/numeric.ts";
import { referenceLogits } from "../support/reference_model.ts";
import {
  collectEvents,
  collectIds,
  idleStats,
  tinyPrompt,
  withEngine,
  withTinyEngine,
  withTinyModel,
} from "../support/tiny_engine.ts";

const MODEL = { contextLength: 1024, type: "F32" } as const;
/** The first block, two together, and one that decode completes. */
const DROPPED = [0, 2, 3, 7];
const POLICY = { name: "drop-blocks", blocks: DROPPED } as const;
/** Six blocks are sealed when the prompt is read, eight at the end. */
const REQUEST: GenerateRequest = {
  promptIds: tinyPrompt(530, 1),
  maxTokens: 140,
  ignoreEos: true,
};
/** K and V are kept as f16 (relative error 2^-11), which a few layers carry to the logits. */
const NMSE_MAX = 4e-6;

/** What a row of a sequence reads: kept blocks, and the window behind them. */
function isRead(position: number, other: number): boolean {
  const firstWindowBlock = Math.max(0, Math.floor(position / 64) - 2);
  const block = Math.floor(other / 64);
  return other <= position && (block >= firstWindowBlock || !DROPPED.includes(block));
}

Deno.test("logits are those of a reference that does not read the tokens of dropped blocks", () =>
  withTinyModel(MODEL, async (path) => {
    const file = await readGguf(path);
    const model = await loadModel(file, () => {});
    const promptIds = REQUEST.promptIds;
    const run = await createSequenceRun(model, {
      profile: { name: "exact" },
      promptIds,
      maxTokens: 40,
      policy: dropBlocks(DROPPED),
    });
    try {
      const rows: Float32Array[] = [];
      while (rows.length < promptIds.length) {
        rows.push(...await run.nextSlice({ wantsLogits: true }));
      }
      const ids = [...promptIds, rows.at(-1)!.indexOf(Math.max(...rows.at(-1)!))];
      for (let count = 0; count < 39; count++) {
        const { id, logits } = await run.nextToken();
        rows.push(logits);
        ids.push(id);
      }
      const expected = referenceLogits(file, ids.slice(0, -1), { isRead });
      assertEquals(rows.length, expected.length);
      rows.forEach((row, at) => assertNear(row, expected[at], NMSE_MAX, `position ${at}`));
    } finally {
      run.destroy();
      model.gpu.close();
    }
  }));

async function run(engine: Engine, request = REQUEST) {
  const events = await collectEvents(engine, request);
  const ids = events.flatMap((event) => event.type === "token" ? [event.id] : []);
  const last = events.at(-1)!;
  return { ids, cached: last.type === "finish" ? last.cachedTokenCount : NaN };
}

/** The text of a request that is run first, and the most bytes that its sealed blocks stand for. */
async function firstRun(engine: Engine): Promise<{ ids: number[]; rawBytes: number }> {
  const ids: number[] = [];
  let rawBytes = 0;
  for await (const event of engine.generate(REQUEST)) {
    if (event.type !== "token") continue;
    ids.push(event.id);
    rawBytes = Math.max(rawBytes, (await engine.stats()).cacheBytes.raw);
  }
  return { ids, rawBytes };
}

/** Of eight blocks four are kept. */
function assertHalf(kept: number, all: number): void {
  assertEquals(kept * 2, all);
  assertGreater(kept, 0);
}

for (const name of ["int8", "balanced"] as const) {
  Deno.test(`dropped blocks take no memory (${name})`, () =>
    withTinyModel(MODEL, async (modelPath) => {
      const options = { modelPath, profile: { name } };
      const all = await withEngine(options, firstRun);
      const some = await withEngine({ ...options, sealPolicy: POLICY }, firstRun);
      assertHalf(some.rawBytes, all.rawBytes);
    }));
}

/** The text of the reference that does not read what is dropped. */
async function assertReferenceText(modelPath: string, ids: readonly number[]): Promise<void> {
  const { promptIds } = REQUEST;
  const all = [...promptIds, ...ids];
  const file = await readGguf(modelPath);
  const rows = referenceLogits(file, all.slice(0, -1), { first: promptIds.length - 1, isRead });
  for (const [index, row] of rows.entries()) {
    const likeliest = Math.max(...row);
    // Where two tokens are as likely to within the error of f16, either may be chosen.
    assert(likeliest - row[ids[index]] < 1e-3, `token ${index}`);
  }
}

for (const name of ["exact", "paper"] as const) {
  Deno.test(`with dropped blocks (${name})`, (t) =>
    withTinyModel(MODEL, async (modelPath) => {
      const folder = await Deno.makeTempDir({ prefix: "packkv-dropped-" });
      const file = `${folder}/doc`;
      const options = { modelPath, profile: { name } };
      let first = { ids: [] as number[], rawBytes: 0 };
      await withEngine({ ...options, sealPolicy: POLICY }, async (engine) => {
        first = await firstRun(engine);
        const saved = await engine.actOnSlot(0, { type: "save", path: file });
        assertEquals(saved.tokenCount, 512);
        await t.step(
          "a prompt that begins behind them in the cache has the same text",
          async () => {
            assertEquals(await run(engine), { ids: first.ids, cached: 512 });
            const longer = { ...REQUEST, promptIds: [...REQUEST.promptIds, ...tinyPrompt(80, 5)] };
            const behind = await run(engine, longer);
            assertEquals(behind.cached, 512);
            const alone = await run(engine, { ...longer, skipsCache: true });
            assertEquals(behind.ids, alone.ids);
          },
        );
      });
      await t.step("a saved sequence without them is restored, where the policy is the same", () =>
        withEngine({ ...options, sealPolicy: POLICY }, async (engine) => {
          await engine.actOnSlot(1, { type: "restore", path: file });
          assertEquals(await run(engine), { ids: first.ids, cached: 512 });
        }));
      await withEngine(options, async (engine) => {
        await t.step("a policy that keeps them refuses it", async () => {
          const restore = () =>
            engine.actOnSlot(1, { type: "restore", path: file });
          await assertRejects(restore, Error, "drop-blocks 0 2 3 7");
        });
        const all = await firstRun(engine);
        await t.step("they take no memory", () =>
          assertHalf(first.rawBytes, all.rawBytes));
        if (name !== "exact") return;
        await t.step(
          "the text is that of the reference, and differs from what all blocks give",
          async () => {
            await assertReferenceText(modelPath, first.ids);
            assert(all.ids.join() !== first.ids.join(), "what is dropped was read");
          },
        );
      });
      await Deno.remove(folder, { recursive: true });
    }));
}

Deno.test("sequences that lose their blocks to others end with the same text though blocks are dropped", async () => {
  for (const hostSizeBytes of [0, 2 ** 24]) {
    const options = {
      profile: { name: "paper" } as const,
      sealPolicy: { name: "drop-blocks", blocks: [1, 2] } as const,
      cacheSizeBytes: 26 * 1024,
      hostSizeBytes,
      sequenceCountMax: 3,
    };
    await withTinyEngine(options, async (engine) => {
      // Blocks of one repeated token are small: after many of them all three are admitted.
      for (let id = 9; id < 17; id++) {
        await collectIds(engine, { promptIds: new Array(500).fill(id), maxTokens: 10 });
      }
      const requests = [1, 2, 3].map((seed) => ({
        promptIds: tinyPrompt(200, seed),
        maxTokens: 210,
        ignoreEos: true,
      }));
      const texts = await Promise.all(requests.map((request) => collectIds(engine, request)));
      assertGreater((await idleStats(engine)).preemptionCount, 0);
      for (const [index, request] of requests.entries()) {
        const alone = await collectIds(engine, { ...request, skipsCache: true });
        assertEquals(texts[index], alone, `request ${index}, ${hostSizeBytes} bytes on the host`);
      }
    });
  }
});

const WRONG: [blocks: number[], message: string][] = [
  [[-1], "block -1"],
  [[0.5], "block 0.5"],
  [[3, 3], "each of them once"],
];

for (const [blocks, message] of WRONG) {
  Deno.test(`createEngine() refuses to drop blocks ${blocks.join(", ")}`, () =>
    withTinyModel({}, async (modelPath) => {
      const sealPolicy = { name: "drop-blocks", blocks } as const;
      await assertRejects(() => createEngine({ modelPath, sealPolicy }), RangeError, message);
    }));
}
