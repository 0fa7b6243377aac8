/** Summaries inside the running engine: of the records in the arena, on keys that a model made. */

import { assert, assertEquals } from "@std/assert";
import { f16ToNumber } from "../../src/codec/f16.ts";
import { rawTileFrom } from "../../src/codec/raw_tile.ts";
import {
  clustersSummaryReference,
  rangeSummaryReference,
} from "../../src/reference/block_summary.ts";
import { assertNear } from "../support/numeric.ts";
import { StepHarness } from "../support/step_harness.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** Two roundings to f16: of unpacked keys, and of means. */
const NMSE_MAX = 1e-6;

const CASES = [
  { name: "exact", read: "quest:blocks=2,dense=0", reference: rangeSummaryReference },
  { name: "balanced", read: "quest:blocks=2,dense=0", reference: rangeSummaryReference },
  { name: "paper", read: "quest:blocks=2,dense=1", reference: rangeSummaryReference },
  { name: "int8", read: "clusterkv:tokens=64,dense=0", reference: clustersSummaryReference },
] as const;

for (const { name, read, reference } of CASES) {
  Deno.test(`what is kept of a block's keys is that of its record (${name}, ${read})`, () =>
    withTinyModel({}, async (path) => {
      const options = { profile: { name }, slotCount: 2, contextLength: 512, read } as const;
      const harness = await StepHarness.open(path, options);
      try {
        const { codec, runner: { cache } } = harness;
        harness.admit(1, tinyPrompt(300, 1), 2);
        harness.admit(2, tinyPrompt(280, 2), 2);
        let measured: readonly (readonly number[])[] = [];
        let comparedCount = 0;
        for (let ran = await harness.step(); ran !== null; ran = await harness.step()) {
          for (const pack of ran.plan.packs) {
            for (const [store, { layer }] of cache.shape.stores.entries()) {
              const isBehind = layer >= (cache.shape.denseLayerCount ?? 0);
              assertEquals(cache.summaries[store] !== null, isBehind);
              if (!isBehind) continue;
              const wordCount = measured[pack.jobIndex][store];
              const record = await harness.recordWords(pack, layer, wordCount);
              const { keys, values } = codec.unpack(record, { layer, blockIndex: pack.blockIndex });
              const tile = rawTileFrom(cache.shape, keys, values);
              const words = await harness.summary(pack, store);
              const pairs = Array.from(words)
                .flatMap((word) => [word & 0xffff, word >>> 16].map(f16ToNumber));
              assertNear(pairs, reference(cache.shape, tile, 64), NMSE_MAX, `layer ${layer}`);
              comparedCount++;
            }
          }
          measured = ran.result.recordWords;
        }
        assert(comparedCount >= 4, `${comparedCount} were compared`);
      } finally {
        harness.close();
      }
    }));
}
