/** What goes first when a tier is full, on the device, in host memory and on disk. */

import { assert, assertEquals } from "@std/assert";
import { conversationsLast } from "../../src/scheduler/conversation_retention.ts";
import { BlockCache } from "../../src/scheduler/block_cache.ts";
import { BlockMemory } from "../../src/scheduler/block_memory.ts";
import { HostIndex } from "../../src/scheduler/host_index.ts";
import {
  leastRecentlyUsed,
  type Retention,
  type RetentionPolicy,
  type RetentionRank,
} from "../../src/scheduler/retention.ts";
import { packBlockFile } from "../../src/tiers/block_file.ts";
import { DiskTier } from "../../src/tiers/disk_tier.ts";
import { FORMAT, keyOf, makeBlock } from "../support/disk_blocks.ts";

/** Another policy, to see that tiers ask theirs: what was used most often goes first. */
const mostUsed: RetentionPolicy = <T>(): Retention<T> => {
  const useCounts = new Map<T, number>();
  const order = () => [...useCounts.keys()].sort((a, b) => useCounts.get(b)! - useCounts.get(a)!);
  return {
    get size() {
      return useCounts.size;
    },
    [Symbol.iterator]: () => order()[Symbol.iterator](),
    has: (thing) => useCounts.has(thing),
    touch: (thing) => void useCounts.set(thing, (useCounts.get(thing) ?? 0) + 1),
    drop: (thing) => useCounts.delete(thing),
    victim: () => order()[0],
  };
};

const POLICIES: [name: string, policy: RetentionPolicy, firstToGo: number][] = [
  ["least recently used", leastRecentlyUsed, 2],
  ["most used", mostUsed, 1],
];

Deno.test("leastRecentlyUsed() orders by last use and forgets what is dropped", () => {
  const retention = leastRecentlyUsed<string>();
  assertEquals(retention.victim(), undefined);
  for (const thing of ["a", "b", "c", "a"]) retention.touch(thing);
  assertEquals([...retention], ["b", "c", "a"]);
  assertEquals(retention.victim(), "b");
  assertEquals([retention.size, retention.has("b")], [3, true], "a victim stays until dropped");
  assertEquals([retention.drop("b"), retention.drop("b")], [true, false]);
  assertEquals([...retention], ["c", "a"]);
});

Deno.test("conversationsLast() gives up what was used together, the newest that nobody found first", () => {
  const retention = conversationsLast<string>();
  /** One sequence ends: it gives its deepest block back first. */
  const use = (things: string[], rank: RetentionRank = "once") => {
    for (const thing of things) retention.drop(thing);
    for (const thing of things) retention.touch(thing, rank);
  };
  assertEquals(retention.victim(), undefined);
  use(["a2", "a1"]);
  retention.drop("x"); // another sequence begins
  use(["b2", "b1"]);
  assertEquals([...retention], ["b2", "b1", "a2", "a1"]);
  use(["b2", "b1"], "again");
  assertEquals([...retention], ["a2", "a1", "b2", "b1"]);
  for (const thing of ["a2", "a1"]) {
    assertEquals(retention.victim(), thing);
    assert(retention.drop(thing) && !retention.has(thing));
  }
  assertEquals([retention.victim(), retention.size], ["b2", 2]);
  // What was not used while all else was used twice has ended.
  for (let round = 0; round < 3; round++) use(["c3", "c2", "c1"]);
  assertEquals(retention.victim(), "c3");
  for (let round = 0; round < 2; round++) use(["c3", "c2", "c1"]);
  assertEquals([...retention], ["b2", "b1", "c3", "c2", "c1"]);
  use(["b2", "b1"], "pinned");
  for (let round = 0; round < 9; round++) use(["c3", "c2", "c1"]);
  assertEquals([...retention], ["c3", "c2", "c1", "b2", "b1"], "whenever it was used");
});

for (const [name, policy, firstToGo] of POLICIES) {
  Deno.test(`a full device gives up the unused block that its retention names (${name})`, () => {
    const range = { recordWordsMin: 64, recordWordsMax: 64 };
    const memory = new BlockMemory([{ storeCount: 1, wordCount: 3 * 64 }], range);
    const cache = new BlockCache(memory, policy);
    for (const index of [1, 2, 3]) {
      cache.release(cache.add("sealed", `${index}`, { recordWords: [64] })!);
    }
    cache.touch(cache.find("1")!);
    cache.add("sealed", "4", { recordWords: [64] });
    const kept = [1, 2, 3].filter((index) => cache.find(`${index}`));
    assertEquals(kept, [1, 2, 3].filter((index) => index !== firstToGo));
    cache.checkIntegrity([[cache.find("4")!]]);
  });

  Deno.test(`a full host drops the block that its retention names (${name})`, () => {
    const host = new HostIndex(3 * 64 * 4, policy);
    for (const index of [1, 2, 3, 1, 4]) {
      host.add({ key: `${index}`, kind: "sealed", recordWords: [64] });
    }
    assertEquals(host.takeDropped(), [`${firstToGo}`]);
    host.checkIntegrity();
  });

  Deno.test(`a full disk deletes the block that its retention names (${name})`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "packkv-retention-" });
    try {
      const capacityBytes = 3.5 * packBlockFile(FORMAT, makeBlock(1)).length;
      const tier = await DiskTier.open({ folder, format: FORMAT, capacityBytes }, policy);
      for (const seed of [1, 2, 3]) await tier.write(makeBlock(seed));
      await tier.read(keyOf(1, "sealed"));
      assertEquals(await tier.write(makeBlock(4)), [keyOf(firstToGo, "sealed")]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
