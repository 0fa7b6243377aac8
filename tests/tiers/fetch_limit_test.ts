import { assertEquals, assertLessOrEqual } from "@std/assert";
import { FetchLimit } from "../../src/tiers/fetch_limit.ts";

const TIMEOUT_MS = 500;
const KEY_COUNT = 10;

/** When a fetch ends of which a block comes at each of these times. */
function endOf(savedMs: number | null, cameMs: readonly number[]) {
  const limit = new FetchLimit(TIMEOUT_MS, { keyCount: KEY_COUNT, savedMs }, 0);
  let cameCount = 0;
  for (const ms of cameMs) {
    if (ms > limit.endMs) break;
    limit.came(ms);
    cameCount++;
  }
  return { endMs: limit.endMs, cameCount };
}

/** The times of so many blocks, one behind the other. */
const each = (intervalMs: number, count = KEY_COUNT) =>
  Array.from({ length: count }, (_, index) => intervalMs * (index + 1));

Deno.test("a fetch of which nothing comes ends after a time-out, whatever it is worth", () => {
  for (const savedMs of [0, 60_000, null]) assertEquals(endOf(savedMs, []).endMs, TIMEOUT_MS);
});

Deno.test("a fetch goes on past its time-out while it is faster than reading again", () => {
  assertEquals(endOf(2000, each(200)).cameCount, KEY_COUNT);
});

Deno.test("a fetch that is slower than reading again ends with its time-out", () => {
  // Ten blocks would take 2 s; with the time-out, reading them again takes 1.5 s.
  assertEquals(endOf(1000, each(200)), { endMs: TIMEOUT_MS, cameCount: 2 });
});

Deno.test("a fetch that slows down ends when it falls behind reading again", () => {
  const { endMs, cameCount } = endOf(1500, [...each(20, 5), 550, 1000, 1450, 1900, 2350]);
  // Nine tenths of 2 s.
  assertEquals([endMs, cameCount], [1800, 8]);
});

Deno.test("between two blocks of a fetch there is no more than a time-out", () => {
  assertEquals(endOf(60_000, [100, 200]).endMs, 200 + TIMEOUT_MS);
});

Deno.test("a fetch lasts twenty time-outs at most while nobody knows what it is worth", () => {
  const { endMs, cameCount } = endOf(null, Array.from({ length: 120 }, (_, index) => 100 * index));
  assertEquals([endMs, cameCount], [20 * TIMEOUT_MS, 101]);
});

Deno.test("a fetch takes a time-out more at most than reading again what came, and one block, would", () => {
  for (const savedMs of [0, 300, 5000]) {
    for (const intervalMs of [1, 40, 90, 260, 499, 501]) {
      const { endMs, cameCount } = endOf(savedMs, each(intervalMs));
      const saved = (cameCount + 1) / KEY_COUNT * savedMs;
      assertLessOrEqual(endMs, TIMEOUT_MS + saved);
    }
  }
});
