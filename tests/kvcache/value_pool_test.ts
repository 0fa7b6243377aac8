/** Which values a pool holds: the least recently used go, and whatever is needed together fits. */

import { assert, assertEquals } from "@std/assert";
import { type BlockValues, ValuePool } from "../../src/kvcache/value_pool.ts";
import { seededRandom } from "../support/numeric.ts";

/** Words of records; values lie behind them. */
const RECORD_WORDS = 64 * 100;

function block(record: number, wordCounts: readonly number[]): BlockValues[] {
  return wordCounts.map((wordCount, store) => {
    const part = { keyWords: 64, firstWord: 60, wordCount, tableWord: 2, sections: [] };
    return { record: record + 64 * store, store, part, words: null, place: null, step: 0 };
  });
}

const together = (...values: BlockValues[]) => new Set(values);

Deno.test("values that the last steps did not need give way first, then those whose turn comes last", () => {
  const pool = new ValuePool({ wordCount: RECORD_WORDS, valueWordCount: 64 * 4 });
  const [old, a, b, c, d] = [0, 1, 2, 3, 4].flatMap((index) => block(64 * index, [64]));
  for (const each of [old, a, b, c, d]) pool.add([each]);
  const placed = () => [old, a, b, c, d].map(({ place }) => place !== null);
  assertEquals(pool.place(together(old)), [old]);
  for (let step = 0; step < 2; step++) {
    pool.beginStep();
    const moved = [a, b, c].flatMap((each) => pool.place(together(each)));
    assertEquals(moved, step === 0 ? [a, b, c] : []);
  }
  pool.beginStep();
  assertEquals(pool.place(together(d)), [d]);
  assertEquals(placed(), [false, true, true, true, true]);
  // The next turns are those of a, b and c: d goes for the old one, and none of a step's own.
  assertEquals(pool.place(together(old)), [old]);
  assertEquals(placed(), [true, true, true, true, false]);
  assertEquals(pool.place(together(a, b, d)), [d]);
  assertEquals(placed(), [false, true, true, true, true]);
  assertEquals(pool.residentWordCount, 4 * 64);
});

Deno.test("values that do not fit between others that are needed are all placed anew", () => {
  const pool = new ValuePool({ wordCount: RECORD_WORDS, valueWordCount: 64 * 5 });
  const [a, b, c, d] = [64, 128, 64, 64].flatMap((words, index) => block(64 * index, [words]));
  const wide = block(64 * 9, [192])[0];
  for (const each of [a, b, c, d, wide]) pool.add([each]);
  pool.place(together(a, b, c, d)); // a at 0, b at 64, c at 192, d at 256
  pool.place(together(a, c));
  // Of a and c neither may go, and between them there are 2 units, behind them 1.
  assertEquals(new Set(pool.place(together(a, c, wide))), together(a, c, wide));
  assertEquals(pool.residentWordCount, 64 * 5);
});

Deno.test("a block that takes the place of others makes them forgotten", () => {
  const pool = new ValuePool({ wordCount: RECORD_WORDS, valueWordCount: 64 * 8 });
  const [first, second] = [block(0, [64, 64]), block(128, [64, 64])];
  for (const own of [first, second]) {
    assertEquals(pool.add(own), []);
    pool.place(new Set(own));
  }
  // Its records lie over the last of the first block and the first of the second.
  const third = block(64, [64, 64]);
  assertEquals(new Set(pool.add(third)), new Set([...first, ...second]));
  assertEquals(pool.residentWordCount, 0);
  assertEquals(pool.add(block(0, [64])), []);
});

Deno.test("whatever is needed in any order has a place of its own, within the pool", () => {
  const random = seededRandom(5);
  const valueWordCount = 64 * 20;
  const pool = new ValuePool({ wordCount: RECORD_WORDS, valueWordCount });
  const all = Array.from({ length: 40 }, (_, index) => {
    const [own] = block(64 * index, [4 * Math.ceil(random() * 48)]);
    pool.add([own]);
    return own;
  });
  for (let turn = 0; turn < 500; turn++) {
    const needed = new Set<BlockValues>();
    let units = 0;
    for (const each of all) {
      const own = Math.ceil(each.part.wordCount / 64);
      if (random() < 0.5 || units + own > 20) continue;
      units += own;
      needed.add(each);
    }
    const before = new Map([...needed].map((each) => [each, each.place]));
    const moved = new Set(pool.place(needed));
    for (const each of needed) {
      assertEquals(moved.has(each), each.place !== before.get(each));
    }
    const places = all.flatMap(({ place, part }) =>
      place === null ? [] : [[place.offset, place.offset + part.wordCount]]
    ).sort(([a], [b]) => a - b);
    assert(places.every(([, end], index) => end <= (places[index + 1]?.[0] ?? valueWordCount)));
    assert([...needed].every(({ place }) => place !== null));
  }
});
