/** Orders in which blocks are given up, by what each has to read again of patterns of requests. */

import { assertLessOrEqual } from "@std/assert";
import { seededRandom } from "../../src/core/seeded_random.ts";
import { adaptive } from "../../src/scheduler/adaptive_retention.ts";
import { conversationsLast } from "../../src/scheduler/conversation_retention.ts";
import {
  leastRecentlyUsed,
  type RetentionPolicy,
  type RetentionRank,
} from "../../src/scheduler/retention.ts";

interface Block {
  key: string;
  rank: RetentionRank;
}

/** Share of the blocks of `requests`, one after the other, that are not found in a cache. */
function readShare(policy: RetentionPolicy, { requests, blockCount }: Pattern): number {
  const retention = policy<Block>(({ key }) => key);
  const held = new Map<string, Block>();
  let [read, all] = [0, 0];
  for (const keys of requests) {
    all += keys.length;
    const used: Block[] = [];
    let isFound = true;
    for (const key of keys) {
      let block = held.get(key);
      isFound &&= block !== undefined;
      if (!isFound) read++;
      if (block) {
        retention.drop(block);
        if (isFound && block.rank === "once") block.rank = "again";
      } else {
        while (retention.size + used.length >= blockCount) {
          const victim = retention.victim()!;
          retention.drop(victim);
          held.delete(victim.key);
        }
        held.set(key, block = { key, rank: "once" });
        retention.make?.(block);
      }
      used.push(block);
    }
    for (const block of used.reverse()) retention.touch(block, block.rank);
  }
  return read / all;
}

interface Pattern {
  requests: string[][];
  /** That fit the cache. */
  blockCount: number;
}

const keysOf = (id: number | string, count: number, beginning = `${id}`) =>
  Array.from({ length: count }, (_, index) => `${index < 10 ? beginning : id}:${index}`);
const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));

/** Agents in turn whose conversations grow from 40 to 90 blocks, or stay at 60. */
function inTurn(agentCount: number, roomCount: number, grows: boolean): Pattern {
  const lengthOf = (turn: number) => grows ? Math.min(90, 40 + 2 * turn) : 60;
  const requests = times(30, (turn) => times(agentCount, (id) => keysOf(id, lengthOf(turn))));
  return { requests: requests.flat(), blockCount: roomCount * (grows ? 90 : 61) };
}

/** So many at a time, in any order; each ends after 5 to 14 turns and another comes. */
function comingAndGoing(liveCount: number): Pattern {
  const random = seededRandom(2);
  let nextId = 0;
  const start = () => ({ id: nextId++, turn: 0, count: 5 + Math.floor(random() * 10) });
  const live = times(liveCount, start);
  const requests = times(100 * liveCount, () => {
    const at = Math.floor(random() * liveCount);
    const { id, turn, count } = live[at];
    live[at] = turn + 1 < count ? { id, turn: turn + 1, count } : start();
    return keysOf(id, 30 + 4 * turn);
  });
  return { requests, blockCount: 4 * 70 };
}

function atRandom(seed: number, requestCount: number, make: (random: () => number) => string[]) {
  const random = seededRandom(seed);
  return times(requestCount, () => make(random));
}

/** Agents in turn, then users of whom few come often, three times. */
function phases(): Pattern {
  const requests = times(
    6,
    (phase) =>
      phase % 2 === 0
        ? times(15, () => times(5, (id) => keysOf(phase * 10 + id, 60))).flat()
        : atRandom(
          phase,
          80,
          (random) => keysOf(phase * 100 + Math.floor(12 * random() * random()), 50),
        ),
  );
  return { requests: requests.flat(), blockCount: 245 };
}

const PATTERNS: [name: string, pattern: () => Pattern][] = [
  ["5 agents in turn, room for 4", () => inTurn(5, 4, true)],
  ["9 agents in turn, room for 8", () => inTurn(9, 8, false)],
  ["8 agents in turn, room for 4", () => inTurn(8, 4, false)],
  ["5 agents at random, room for 4", () => ({
    requests: atRandom(1, 200, (random) => keysOf(Math.floor(5 * random()), 60)),
    blockCount: 245,
  })],
  ["4 that come and go, room for 4", () => comingAndGoing(4)],
  ["6 that come and go, room for 4", () => comingAndGoing(6)],
  ["a document at times among chats", () => ({
    requests: times(40, (turn) => [
      ...times(4, (id) => keysOf(id, 30 + turn)),
      ...(turn % 5 === 4 ? [keysOf(100 + turn, 200)] : []),
    ]).flat(),
    blockCount: 380,
  })],
  ["single prompts that begin alike", () => ({
    requests: times(400, (index) => index).map(((random) => (index: number) => {
      const beginning = `s${Math.floor(30 * random() * random())}`;
      return keysOf(`p${index}`, 12 + Math.floor(20 * random()), beginning);
    })(seededRandom(3))),
    blockCount: 200,
  })],
  ["40 users, few of them often", () => ({
    requests: atRandom(4, 800, (random) => keysOf(Math.floor(40 * random() ** 3), 50)),
    blockCount: 400,
  })],
  ["agents in turn, then users", phases],
];

Deno.test("adaptive() reads no more than recency in any pattern, and less with one agent too many", () => {
  for (const [name, makePattern] of PATTERNS) {
    const pattern = makePattern();
    const policies = [leastRecentlyUsed, conversationsLast, adaptive];
    const [recency, conversations, ours] = policies.map((policy) => readShare(policy, pattern));
    const shown = [recency, conversations, ours].map((share) => (100 * share).toFixed(1));
    console.log(`${name.padEnd(34)}| ${shown.join(" | ")}`);
    assertLessOrEqual(ours, recency + 0.005, name);
    if (name.includes("in turn, room")) assertLessOrEqual(ours, conversations + 0.005, name);
  }
});
