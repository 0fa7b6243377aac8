import { assert, assertEquals, assertGreater, assertLessOrEqual, assertThrows } from "@std/assert";
import { type Extent, ExtentAllocator } from "../../src/scheduler/allocator.ts";
import { seededRandom } from "../support/numeric.ts";

/** The bound on allocated beside asked words, from the memory target of the cache. */
const OVERHEAD_MAX = 1.1;

/** Share of the arena that must be in use, or asked for, when an allocation fails under churn. */
const FILL_AT_REFUSAL_MIN = 0.9;

Deno.test("ExtentAllocator.allocate() takes the smallest free run that holds the extent", () => {
  const allocator = new ExtentAllocator(64 * 10);
  const extents = [128, 64, 192, 64, 100].map((wordCount) => allocator.allocate(wordCount)!);
  assertEquals(extents.map(({ offset }) => offset), [0, 128, 192, 384, 448]);
  allocator.release(extents[0]);
  allocator.release(extents[2]);
  assertEquals(allocator.allocate(65), { offset: 0, wordCount: 65 });
  assertEquals(allocator.allocate(150), { offset: 192, wordCount: 150 });
  assertEquals(allocator.allocate(65), null);
  allocator.checkIntegrity();
});

Deno.test("ExtentAllocator.release() merges a free run with both neighbours", () => {
  const allocator = new ExtentAllocator(64 * 3);
  const [a, b, c] = [64, 64, 64].map((wordCount) => allocator.allocate(wordCount)!);
  allocator.release(a);
  allocator.release(c);
  assertEquals(allocator.allocate(65), null);
  allocator.release(b);
  const whole = allocator.allocate(192);
  assertEquals(whole, { offset: 0, wordCount: 192 });
  allocator.release(whole!);
  assertEquals(allocator.extentCount, 0);
  allocator.checkIntegrity();
});

Deno.test("ExtentAllocator.release() frees a shared extent with its last reference", () => {
  const allocator = new ExtentAllocator(64);
  const extent = allocator.allocate(10)!;
  allocator.share(extent);
  assertEquals(allocator.release(extent), false);
  assertEquals(allocator.allocate(1), null);
  assertEquals(allocator.release(extent), true);
  assertEquals(allocator.allocatedWordCount, 0);
  assertThrows(() => allocator.release(extent), Error, "the extent is in use");
});

Deno.test("ExtentAllocator.release() refuses an extent that was not handed out", () => {
  const allocator = new ExtentAllocator(256);
  const extent = allocator.allocate(10)!;
  assertThrows(() => allocator.release({ ...extent }), Error, "the one that was handed out");
  assertThrows(() => allocator.release({ offset: 64, wordCount: 10 }), Error, "is in use");
});

Deno.test("ExtentAllocator counts asked words beside the rounded ones it takes", () => {
  const allocator = new ExtentAllocator(1000);
  assertEquals(allocator.capacityWordCount, 960);
  allocator.allocate(65);
  assertEquals(allocator.askedWordCount, 65);
  assertEquals(allocator.allocatedWordCount, 128);
});

Deno.test("ExtentAllocator refuses sizes that are not positive integers", () => {
  assertThrows(() => new ExtentAllocator(63), RangeError, "one unit is needed");
  const allocator = new ExtentAllocator(64);
  for (const wordCount of [0, -1, 1.5, NaN]) {
    assertThrows(() => allocator.allocate(wordCount), RangeError, "at least 1");
  }
});

/** Words of a block of 30 layers of the default model, 2.6 bits per value, give or take 15%. */
function blockWords(random: () => number): number {
  return Math.round(30 * 2150 * (0.85 + 0.3 * random()) / 4) * 4;
}

Deno.test("ExtentAllocator takes at most 1.1 times what is asked over 10,000 random lives", () => {
  const random = seededRandom(11);
  const allocator = new ExtentAllocator(30 * 2150 * 400);
  const live: Extent[] = [];
  const fillsAtRefusal: number[] = [];
  for (let life = 0; life < 10_000; life++) {
    const extent = allocator.allocate(blockWords(random));
    if (extent) live.push(extent);
    else fillsAtRefusal.push(allocator.askedWordCount / allocator.capacityWordCount);
    const releaseCount = extent ? Number(random() < 0.4) : Math.ceil(random() * 40);
    for (let i = 0; i < releaseCount && live.length > 0; i++) {
      allocator.release(live.splice(Math.floor(random() * live.length), 1)[0]);
    }
    if (live.length > 0) {
      const overhead = allocator.allocatedWordCount / allocator.askedWordCount;
      assertLessOrEqual(overhead, OVERHEAD_MAX);
    }
    if (life % 100 === 0) allocator.checkIntegrity();
  }
  assertGreater(fillsAtRefusal.length, 50);
  const mean = fillsAtRefusal.reduce((sum, fill) => sum + fill, 0) / fillsAtRefusal.length;
  assert(mean >= FILL_AT_REFUSAL_MIN, `the arena is ${mean} full when an allocation fails`);
  for (const extent of live) allocator.release(extent);
  assertEquals(allocator.allocate(allocator.capacityWordCount)?.offset, 0);
});
