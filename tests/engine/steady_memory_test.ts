/** Memory over many requests. */

import { assert, assertEquals } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import type { Engine } from "../../src/engine/types.ts";
import { collectIds, idleStats, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

/** A multiple of the group. */
const WARM_UP_COUNT = 400;
const REQUEST_COUNT = 1000;
const GROUP_COUNT = 4;
/** Requests between two looks at the process's memory. */
const SAMPLE_EVERY = 40;
/**
 * Between the halves of the run, put down to the heaps of the isolates in the process, those of
 * other tests among them; a leak of one step's buffers would be some hundred megabytes.
 */
const GROWTH_BYTES_MAX = 60e6;

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
async function sample(engine: Engine, first: number, count: number): Promise<number[]> {
  const samples: number[] = [];
  for (let index = first; index < first + count; index += GROUP_COUNT) {
    const group = Array.from({ length: GROUP_COUNT }, (_, place) => request(engine, index + place));
    await Promise.all(group);
    if (index % SAMPLE_EVERY === 0) samples.push(Deno.memoryUsage().rss);
  }
  return samples;
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1];

Deno.test("1,000 requests leave device memory as it was, and the process's nearly so", () =>
  withTinyEngine(
    { profile: { name: "balanced" }, sequenceCountMax: GROUP_COUNT, sharesPrefixes: true },
    async (engine) => {
      await sample(engine, 0, WARM_UP_COUNT);
      const { deviceBytes } = await idleStats(engine);
      const samples = await sample(engine, WARM_UP_COUNT, REQUEST_COUNT);
      const stats = await idleStats(engine);
      assertEquals(stats.deviceBytes, deviceBytes);
      const half = samples.length >> 1;
      const [before, after] = [median(samples.slice(0, half)), median(samples.slice(half))];
      const growthBytes = after - before;
      assert(growthBytes < GROWTH_BYTES_MAX, `the process grew by ${growthBytes} bytes`);
    },
  ));
