/** Races of ways of which a test says how long each takes. */

import { assertEquals } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { type Contest, race } from "../../src/tuning/race.ts";

/** What is said of a way: milliseconds by turn, and what is wrong with it. */
interface Way {
  ms: readonly number[];
  fault?: string;
  refuses?: string;
}

function contest(ways: Readonly<Record<string, Way>>): Contest & { ended: string[] } {
  const ended: string[] = [];
  return {
    key: "test",
    keptAs: "test",
    names: Object.keys(ways),
    ended,
    prepare(name) {
      const { ms, fault = null, refuses } = ways[name];
      if (refuses) return Promise.reject(new EngineError("gpu_validation", refuses));
      let turn = 0;
      return Promise.resolve({
        time: () => Promise.resolve(ms[Math.min(turn++, ms.length - 1)]),
        fault: () => Promise.resolve(fault),
        destroy: () => void ended.push(name),
      });
    },
  };
}

const never = () => false;

async function winner(ways: Readonly<Record<string, Way>>) {
  const { name, gain, refused } = (await race(contest(ways), never))!;
  return { name, gain, refused };
}

Deno.test("race() takes the fastest way that is clearly faster than the first", async () => {
  assertEquals(await winner({ a: { ms: [10] }, b: { ms: [9] }, c: { ms: [8] } }), {
    name: "c",
    gain: 1.25,
    refused: {},
  });
});

Deno.test("race() stays with the first way if another is faster by less than 5%", async () => {
  assertEquals((await winner({ a: { ms: [10] }, b: { ms: [9.6] } })).name, "a");
  assertEquals((await winner({ a: { ms: [10] }, b: { ms: [9.5] } })).name, "b");
});

Deno.test("race() times what seems to win once more beside the first, which may only have been disturbed", async () => {
  assertEquals((await winner({ a: { ms: [20, 10] }, b: { ms: [10] } })).name, "a");
  assertEquals((await winner({ a: { ms: [20, 20] }, b: { ms: [10] } })).name, "b");
});

Deno.test("race() takes the next best way if the fastest is wrong, and says why it did not win", async () => {
  const ways = { a: { ms: [10] }, b: { ms: [2], fault: "off by 1" }, c: { ms: [5] } };
  assertEquals(await winner(ways), { name: "c", gain: 2, refused: { b: "off by 1" } });
  const alone = { a: { ms: [10] }, b: { ms: [2], fault: "off by 1" } };
  assertEquals(await winner(alone), { name: "a", gain: 1, refused: { b: "off by 1" } });
});

Deno.test("race() goes on without ways that the device cannot compile", async () => {
  const ways = { a: { ms: [10] }, b: { ms: [], refuses: "no such shuffle" }, c: { ms: [5] } };
  assertEquals(await winner(ways), { name: "c", gain: 2, refused: { b: "no such shuffle" } });
});

Deno.test("race() chooses nothing if there is no time for all ways, and frees those it made", async () => {
  let asked = 0;
  const ways = contest({ a: { ms: [10] }, b: { ms: [5] }, c: { ms: [1] } });
  assertEquals(await race(ways, () => ++asked > 2), null);
  assertEquals(ways.ended, ["a", "b"]);
});
