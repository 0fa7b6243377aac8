/**
 * A process that serves requests and prints its memory from time to time as JSON: `rssBytes`, one
 * for each forty requests behind the warm-up, and `deviceBytes` before and after them.
 */

import { assert } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import type { Engine } from "../../src/engine/types.ts";
import { collectIds, idleStats, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

/** Multiples of the group. */
const WARM_UP_COUNT = 600;
const REQUEST_COUNT = 1000;
const GROUP_COUNT = 4;
/** Requests between two looks at the process's memory. */
const SAMPLE_EVERY = 40;

/** One request of a mix: some share prompts, some go away early. */
async function request(engine: Engine, index: number): Promise<void> {
  const promptIds = tinyPrompt(1 + (index * 37) % 300, index % 50);
  if (index % 7 !== 3) {
    await collectIds(engine, { promptIds, maxTokens: 1 + index % 12, ignoreEos: true });
    return;
  }
  const gone = new AbortController();
  const long = { promptIds, maxTokens: 100, ignoreEos: true, signal: gone.signal };
  try {
    for await (const event of engine.generate(long)) if (event.type === "token") gone.abort();
  } catch (error) {
    assert(error instanceof EngineError && error.code === "aborted", String(error));
  }
}

/** The process's bytes from time to time over requests `first ..< first + count`. */
async function serve(engine: Engine, first: number, count: number): Promise<number[]> {
  const samples: number[] = [];
  for (let index = first; index < first + count; index += GROUP_COUNT) {
    const group = Array.from({ length: GROUP_COUNT }, (_, place) => request(engine, index + place));
    await Promise.all(group);
    if (index % SAMPLE_EVERY === 0) samples.push(Deno.memoryUsage().rss);
  }
  return samples;
}

const options = { profile: { name: "balanced" as const }, sequenceCountMax: GROUP_COUNT };
await withTinyEngine(options, async (engine) => {
  await serve(engine, 0, WARM_UP_COUNT);
  const before = await idleStats(engine);
  const rssBytes = await serve(engine, WARM_UP_COUNT, REQUEST_COUNT);
  const after = await idleStats(engine);
  const deviceBytes = [before.deviceBytes, after.deviceBytes];
  console.log(JSON.stringify({ rssBytes, deviceBytes }));
});
