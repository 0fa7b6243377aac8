/** Sequences that run beside others give what they give alone. */

import { assertEquals } from "@std/assert";
import type { GenerateRequest, ProfileOptions } from "../../src/engine/types.ts";
import { seededRandom } from "../support/numeric.ts";
import { collectIds, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

const PROFILES: ProfileOptions[] = [
  { name: "exact" },
  { name: "paper" },
  { name: "paper", packSize: 32, repack: "median" },
];
const REQUEST_COUNT = 9;

function requests(seed: number): GenerateRequest[] {
  const random = seededRandom(seed);
  return Array.from({ length: REQUEST_COUNT }, (_, index) => ({
    promptIds: tinyPrompt(1 + Math.floor(random() * 400), index),
    maxTokens: 1 + Math.floor(random() * 60),
    ignoreEos: true,
    ...(index % 2 === 0 ? {} : { sampling: { temperature: 1.2, topK: 40, seed: index } }),
  }));
}

for (const profile of PROFILES) {
  const name = JSON.stringify(profile);
  Deno.test(`each of many sequences gets the tokens it gets alone (${name})`, () =>
    withTinyEngine({ profile, sequenceCountMax: 4 }, async (engine) => {
      const together = requests(11);
      // One of them goes away in the middle, and must not be missed by the others.
      const gone = new AbortController();
      const cut = collectIds(engine, { ...together[3], maxTokens: 100, signal: gone.signal })
        .then(() => "whole", (error) => error.code);
      const timer = setTimeout(() => gone.abort(), 60);
      const texts = await Promise.all(together.map((request) => collectIds(engine, request)));
      clearTimeout(timer);
      assertEquals(await cut, "aborted");
      for (const [index, request] of together.entries()) {
        assertEquals(texts[index].length, request.maxTokens);
        assertEquals(texts[index], await collectIds(engine, request), `request ${index}`);
      }
    }));
}
