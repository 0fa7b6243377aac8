import { assert, assertEquals, assertGreater } from "@std/assert";
import {
  formatStreams,
  measureArrival,
  measureStreams,
} from "../../server/measure/many_streams.ts";
import { withTinyEngine } from "../support/tiny_engine.ts";

Deno.test("measureStreams() and measureArrival() measure an engine and leave it idle", () =>
  withTinyEngine({ model: { contextLength: 2048 }, sequenceCountMax: 3 }, async (engine) => {
    const rates = await measureStreams(engine, [1, 3], 10);
    assertEquals(rates.map(({ streamCount }) => streamCount), [1, 3]);
    assertEquals(rates[0].ratio, 1);
    assertGreater(rates[1].tokensPerSecond, 0);
    const gaps = await measureArrival(engine, 600);
    assert(gaps.usualMs > 0 && gaps.p50Ms <= gaps.p99Ms && gaps.p99Ms <= gaps.maxMs);
    assertEquals(gaps.ratio, gaps.maxMs / gaps.usualMs);
    const text = formatStreams(rates, gaps);
    assert(text.includes("  3 streams") && text.includes("a prompt of 600 tokens"), text);
    const { runningSequenceCount, prefixHitCount } = await engine.stats();
    assertEquals([runningSequenceCount, prefixHitCount], [0, 0]);
  }));
