/** Sequences that give their blocks to others and go on later, on the GPU. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import type { EngineStats, GenerateRequest, ProfileOptions } from "../../src/engine/types.ts";
import type { SharedLayer } from "../../src/model/shared_layers.ts";
import {
  collectIds,
  idleStats,
  tinyPrompt,
  withEngine,
  withTinyModel,
} from "../support/tiny_engine.ts";
import { saveTinyMap } from "../support/tiny_layer_map.ts";
import type { TinyModelOptions } from "../support/tiny_model.ts";

/** With steps that are not its own, which the first start would make finer for the model. */
const FINE: ProfileOptions = { name: "near-lossless", keyStep: 1.14, valueStep: 1.32 };

/** Memory in which one of three sequences must give way; blocks of `exact` are never misjudged. */
const CASES: {
  why: string;
  profile: ProfileOptions;
  cacheSizeBytes: number;
  /**
   * 200 if left out. With fewer than a window nothing is sealed when the last of the three comes:
   * where blocks are little larger than those seen before, it would not be admitted otherwise.
   */
  promptTokens?: number;
  read?: string;
  /** What stays of each request's prompt. */
  keeps?: readonly string[];
  /** Layers that share. */
  pairs?: readonly SharedLayer[];
  model?: Partial<TinyModelOptions>;
}[] = [
  { why: "paper", profile: { name: "paper" }, cacheSizeBytes: 72 * 1024 },
  { why: "near-lossless", profile: FINE, promptTokens: 120, cacheSizeBytes: 52 * 1024 },
  {
    why: "near-lossless, quest",
    profile: FINE,
    promptTokens: 120,
    cacheSizeBytes: 52 * 1024,
    read: "quest:blocks=2,dense=0",
  },
  { why: "balanced", profile: { name: "balanced" }, cacheSizeBytes: 27 * 1024 },
  {
    why: "balanced, layers that share, less kept by three methods",
    profile: { name: "balanced" },
    cacheSizeBytes: 27 * 1024,
    keeps: ["all", "chunkkv:ratio=0.9,think:ratio=0.2", "dbudgetkv:theta=0.02"],
    pairs: [{ layer: 3, source: 2 }, { layer: 2, source: 1 }],
    model: { layerCount: 4 },
  },
  {
    why: "balanced, latents that a pair of layers shares",
    profile: { name: "balanced" },
    cacheSizeBytes: 27 * 1024,
    model: { architecture: "clla", layerCount: 4 },
  },
];

/** Of each sequence in the end. */
const TOKEN_COUNT = 410;

/** Greedy, with penalties, and seeded. */
const REQUESTS: Partial<GenerateRequest>[] = [
  {},
  { adjustments: { repetitionPenalty: 1.1, frequencyPenalty: 0.8 } },
  {
    sampling: { temperature: 1.2, topK: 40, seed: 3 },
    adjustments: { presencePenalty: 0.5, repetitionPenalty: 1.2 },
  },
];

/** What the steps from `before` to `after` did. */
function changes(before: EngineStats, after: EngineStats) {
  return {
    prefilledCount: after.promptTokenCount - before.promptTokenCount,
    loadedCount: after.loadedBlockCount - before.loadedBlockCount,
    stepCount: after.stepCount - before.stepCount,
  };
}

for (const { why, model = {}, keeps, pairs, read, promptTokens = 200, ...sizes } of CASES) {
  Deno.test(`sequences that lose their blocks to others end with the same tokens (${why})`, () =>
    withTinyModel(model, async (modelPath) => {
      const options = {
        modelPath,
        tune: "off",
        sequenceCountMax: 3,
        ...sizes,
        ...(read === undefined ? {} : { read }),
        ...(keeps === undefined ? {} : { keep: "all" }),
        ...(pairs === undefined
          ? {}
          : { share: `kvsharer:${await saveTinyMap(modelPath, pairs)}` }),
      } as const;
      const requests = REQUESTS.map((request, index): GenerateRequest => ({
        promptIds: tinyPrompt(promptTokens, index + 1),
        maxTokens: TOKEN_COUNT - promptTokens,
        ignoreEos: true,
        ...request,
        ...(keeps === undefined ? {} : { keep: keeps[index] }),
      }));
      const stepCounts: number[] = [];
      const alone: number[][] = [];
      for (const hostSizeBytes of [0, 2 ** 24]) {
        await withEngine({ ...options, hostSizeBytes }, async (engine) => {
          // Blocks of one repeated token are small: after many of them all three are admitted.
          for (let id = 9; id < 17; id++) {
            await collectIds(engine, { promptIds: new Array(500).fill(id), maxTokens: 1 });
          }
          const before = await idleStats(engine);
          const texts = await Promise.all(requests.map((request) => collectIds(engine, request)));
          const after = await idleStats(engine);
          const { prefilledCount, loadedCount, stepCount } = changes(before, after);
          assertGreater(after.preemptionCount, 0);
          stepCounts.push(stepCount);
          if (hostSizeBytes > 0) {
            assertGreater(loadedCount, 0);
            assertEquals(prefilledCount, 3 * promptTokens, "no prompt is read again");
          } else {
            for (const request of requests) {
              alone.push(await collectIds(engine, { ...request, skipsCache: true }));
            }
          }
          assertEquals(texts, alone);
        });
      }
      const [without, withHost] = stepCounts;
      assertGreater(without, TOKEN_COUNT - promptTokens + 60, "somebody decoded again");
      assert(withHost < without, `${withHost} steps with the host tier, ${without} without`);
    }));
}
