import { assertAlmostEquals, assertEquals, assertGreater } from "@std/assert";
import { type BlockForm, simulate, type Site } from "../../bench/capacity/simulate.ts";
import { makeTrace } from "../../bench/capacity/trace.ts";

const FORM: BlockForm = {
  name: "plain",
  deviceBytes: 10,
  storeBytes: 5,
  tailBytes: 100,
  codedPerSecond: 1000,
  decodedPerSecond: 500,
};
const SITE: Site = {
  replicaCount: 2,
  deviceCapacity: 64 * 10 * 2,
  storeCapacity: 1e9,
  prefillTokensPerSecond: 64,
  storeBytesPerSecond: 1000,
  isSticky: true,
};
const ask = (timeSeconds: number, session: number, blocks: string[]) => {
  return { timeSeconds, session, blocks, tailTokens: 0 };
};

Deno.test("simulate() finds blocks on the replica, then in the store, and counts what moves", () => {
  const outcome = simulate(
    [
      ask(1, 0, ["a", "b"]),
      ask(2, 0, ["a", "b"]),
      ask(3, 1, ["a", "b"]),
      ask(4, 0, ["c", "d"]),
      ask(10, 0, ["a", "b"]),
    ],
    FORM,
    SITE,
  );
  assertEquals([outcome.promptTokens, outcome.readTokens], [640, 256]);
  // The second one; the other replica's, and the last one, whose blocks the device gave up.
  assertEquals([outcome.deviceTokens, outcome.storeTokens], [128, 256]);
  const moved = 2 * 64 * 5 + 100;
  assertEquals([outcome.storeReadBytes, outcome.storeWrittenBytes], [2 * moved, 2 * moved]);
  assertAlmostEquals(outcome.busy.replicas, 256 / (2 * 64 * 10));
  assertAlmostEquals(outcome.busy.coding, (2 * moved / 500 + 2 * moved / 1000) / 20);
  assertAlmostEquals(outcome.busy.storeLine, 4 * moved / 10_000);
});

Deno.test("a trace is the same for the same seed, by time, and its sessions share beginnings", () => {
  const options = {
    seed: 3,
    sessionCount: 5,
    durationSeconds: 300,
    instructionBlocks: 4,
    instructionKinds: 2,
    documentBlocks: 3,
    documentCount: 2,
    turnTokens: 100,
    turnCount: 3,
    secondsPerTurn: 30,
  };
  const trace = makeTrace(options);
  assertEquals(makeTrace(options), trace);
  const times = trace.map(({ timeSeconds }) => timeSeconds);
  assertEquals(times, times.toSorted((a, b) => a - b));
  const beginnings = new Set(trace.map(({ blocks }) => blocks.slice(0, 4).join()));
  assertEquals(beginnings.size, 2);
  assertGreater(trace.filter(({ blocks }) => blocks.some((name) => name.includes("d"))).length, 5);
});
