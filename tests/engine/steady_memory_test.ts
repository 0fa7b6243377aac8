/** Memory over many requests. */

import { assert, assertEquals } from "@std/assert";
import { collectIds, idleStats, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

const REQUEST_COUNT = 200;

/**
 * Growth of the process over 200 requests that is put down to the heaps of two isolates and the
 * driver, not to a leak: a leak of one step's buffers would be some hundred megabytes.
 */
const RSS_GROWTH_BYTES_MAX = 60e6;

Deno.test("200 requests leave device memory as it was and the process's nearly so", () =>
  withTinyEngine({ sequenceCountMax: 4 }, async (engine) => {
    const run = (index: number) => {
      const promptIds = tinyPrompt(1 + (index * 37) % 300, index);
      return collectIds(engine, { promptIds, maxTokens: 1 + index % 12, ignoreEos: true });
    };
    for (let index = 0; index < 20; index++) await run(index);
    const { deviceBytes } = await idleStats(engine);
    const rssBefore = Deno.memoryUsage().rss;
    for (let index = 0; index < REQUEST_COUNT; index += 4) {
      await Promise.all([0, 1, 2, 3].map((offset) => run(index + offset)));
    }
    const stats = await idleStats(engine);
    assertEquals(stats.deviceBytes, deviceBytes);
    assertEquals(stats.cacheBytes.allocated, 0);
    const growthBytes = Deno.memoryUsage().rss - rssBefore;
    assert(growthBytes < RSS_GROWTH_BYTES_MAX, `the process grew by ${growthBytes} bytes`);
  }));
