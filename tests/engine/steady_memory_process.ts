/**
 * A process that serves requests and prints its memory as JSON: `growths`, the share by which its
 * bytes grew over each thousand requests behind the warm-up, and `deviceBytes` before and after.
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
/** Growth by this share or more may be a heap that found its size late; a leak does it again. */
const SETTLED_MAX = 0.02;
const ROUND_COUNT_MAX = 3;

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

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** From the first quarter of the samples to the last. */
function growthOf(samples: number[]): number {
  const quarter = samples.length >> 2;
  assert(quarter >= 5);
  return median(samples.slice(-quarter)) / median(samples.slice(0, quarter)) - 1;
}

const options = { profile: { name: "balanced" as const }, sequenceCountMax: GROUP_COUNT };
await withTinyEngine(options, async (engine) => {
  await serve(engine, 0, WARM_UP_COUNT);
  const before = await idleStats(engine);
  const growths: number[] = [];
  while (growths.length < ROUND_COUNT_MAX && !(growths.at(-1)! < SETTLED_MAX)) {
    const first = WARM_UP_COUNT + growths.length * REQUEST_COUNT;
    growths.push(growthOf(await serve(engine, first, REQUEST_COUNT)));
  }
  const after = await idleStats(engine);
  const deviceBytes = [before.deviceBytes, after.deviceBytes];
  console.log(JSON.stringify({ growths, deviceBytes }));
});
