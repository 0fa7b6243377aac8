/** How many tokens fit into one budget, by profile. */

import { assert } from "@std/assert";
import { createEngine } from "../../src/engine/client.ts";
import type { Engine, EngineOptions } from "../../src/engine/types.ts";
import { loadTokenizer } from "../../mod.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { CALIBRATION_TEXT } from "../../src/calibration/text.ts";

const PROMPT_TOKEN_COUNT = 321;
/** A prompt is read in six. */
const STEP_COUNT = 40;
const KV_BYTES_MAX = 5 * 2 ** 20;
/** Of K and V in f16: 30 layers, 3 heads, 64 channels. */
const TOKEN_BYTES = 30 * 2 * 3 * 64 * 2;

/**
 * Lets sequences come until the memory has held no more for some steps, or holds `enough` tokens.
 *
 * @returns Most sealed tokens held at a time, and the bytes of the budget they took.
 */
async function fill(engine: Engine, prompts: readonly number[][], enough: number) {
  const gone = new AbortController();
  const { signal } = gone;
  const all = prompts.map(async (promptIds) => {
    const request = { promptIds, maxTokens: 60, ignoreEos: true, signal };
    for await (const event of engine.generate(request)) if (event.type === "finish") return;
  });
  let most = { tokenCount: 0, allocatedBytes: 0, runningCount: 0 };
  const { cacheCapacityBytes } = engine.info;
  for (let lastStep = 0, stepCount = 0; stepCount < lastStep + STEP_COUNT;) {
    if (most.tokenCount >= enough) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
    const stats = await engine.stats();
    const { cacheBytes, runningSequenceCount, waitingSequenceCount } = stats;
    assert(cacheBytes.allocated <= cacheCapacityBytes, `${cacheBytes.allocated} are allocated`);
    const tokenCount = cacheBytes.raw / TOKEN_BYTES;
    stepCount = stats.stepCount;
    if (stepCount > 0 && runningSequenceCount + waitingSequenceCount === 0) break;
    if (tokenCount <= most.tokenCount || waitingSequenceCount === 0) continue;
    lastStep = stepCount;
    const allocatedBytes = cacheBytes.allocated;
    most = { tokenCount, allocatedBytes, runningCount: runningSequenceCount };
  }
  gone.abort();
  await Promise.allSettled(all);
  return most;
}

Deno.test("one budget holds at least four times as many tokens of balanced as of exact", async () => {
  const modelPath = defaultModelPath();
  const tokenizer = await loadTokenizer(modelPath);
  const ids = tokenizer.tokenize(CALIBRATION_TEXT, { parseSpecial: false });
  const prompts = (count: number) =>
    Array.from({ length: count }, (_, index) => {
      return Array.from(ids.slice(index * 240, index * 240 + PROMPT_TOKEN_COUNT));
    });
  const measure = async (name: "exact" | "balanced", sequenceCount: number, enough: number) => {
    const options: EngineOptions = {
      modelPath,
      profile: { name },
      contextLength: 512,
      sequenceCountMax: sequenceCount,
      cacheSizeBytes: KV_BYTES_MAX,
      stepTokenCountMax: 4096,
      sharesPrefixes: false,
    };
    const engine = await createEngine(options);
    try {
      return await fill(engine, prompts(sequenceCount + 1), enough);
    } finally {
      await engine.close();
    }
  };
  const exact = await measure("exact", 3, Infinity);
  const balanced = await measure("balanced", 10, 4 * exact.tokenCount);
  const told = JSON.stringify({ exact, balanced });
  assert(exact.tokenCount > 0 && balanced.tokenCount >= 4 * exact.tokenCount, told);
});
