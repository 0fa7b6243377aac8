/** Guesses of next tokens, checked as rows of one step: the text must not show them. */

import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import type { EngineStats, GenerateRequest, GrammarSpec } from "../../src/engine/types.ts";
import { collectIds, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

/** Steps so fine that a bit more or less in a block shows in the text. */
const FINE = { name: "paper" as const, keyRel: 0.004, valueRel: 0.004 };
const MODEL = { model: { contextLength: 2048 } };

/** A prompt that repeats itself, greedy and with seeds: guesses are right and wrong. */
const REQUESTS: readonly GenerateRequest[] = [0, 0.3, 1, 1].map((temperature, seed) => {
  const part = tinyPrompt(40 + 11 * seed, seed);
  const promptIds = [...part, ...part, ...part.slice(0, 20)];
  return { promptIds, maxTokens: 260, ignoreEos: true, sampling: { temperature, topK: 3, seed } };
});

function drafts({ draftTokenCount, acceptedTokenCount }: EngineStats): [number, number] {
  return [draftTokenCount, acceptedTokenCount];
}

for (const profile of [{ name: "exact" as const }, FINE]) {
  const name = profile === FINE ? "paper with fine steps" : profile.name;
  Deno.test(`a text is the same with and without guesses, alone and among others (${name})`, () =>
    withTinyEngine({ ...MODEL, profile, sharesPrefixes: false }, async (engine) => {
      const texts: number[][] = [];
      for (const request of REQUESTS) {
        texts.push(await collectIds(engine, { ...request, speculates: false }));
      }
      const stepCountBefore = (await engine.stats()).stepCount;
      assertEquals(drafts(await engine.stats()), [0, 0]);
      for (const [index, request] of REQUESTS.entries()) {
        assertEquals(await collectIds(engine, request), texts[index], `request ${index} alone`);
      }
      const { stepCount } = await engine.stats();
      assertLess(stepCount - stepCountBefore, 0.9 * stepCountBefore);
      const together = await Promise.all(REQUESTS.map((request) => collectIds(engine, request)));
      assertEquals(together, texts);
      const [draftCount, acceptedCount] = drafts(await engine.stats());
      assertGreater(acceptedCount, 50);
      assertGreater(draftCount, acceptedCount);
    }));
}

/** A list whose members repeat their keys, and calls behind free text. */
const GRAMMARS: readonly GrammarSpec[] = [
  {
    type: "json_schema",
    schema: JSON.stringify({
      type: "array",
      minItems: 9,
      maxItems: 9,
      items: {
        type: "object",
        properties: { path: { type: "string", maxLength: 3 }, isNew: { type: "boolean" } },
        required: ["path", "isNew"],
        additionalProperties: false,
      },
    }),
  },
  {
    type: "tags",
    tags: [{ begin: "abc", schema: '{"enum": [1, 2, "three"]}', end: "cab" }],
    trigger: "abc",
    separator: "",
    isRepeated: true,
  },
];

Deno.test("an answer that follows a grammar is the same with and without guesses, alone and among others", () =>
  withTinyEngine(
    { ...MODEL, profile: { name: "exact" }, sharesPrefixes: false },
    async (engine) => {
      const requests = [0, 1].flatMap((seed) =>
        GRAMMARS.map((grammar) => ({ ...REQUESTS[1 + seed], maxTokens: 200, grammar }))
      );
      const texts: number[][] = [];
      for (const request of requests) {
        texts.push(await collectIds(engine, { ...request, speculates: false }));
      }
      const stepCountBefore = (await engine.stats()).stepCount;
      assertEquals(drafts(await engine.stats()), [0, 0]);
      for (const [index, request] of requests.entries()) {
        assertEquals(await collectIds(engine, request), texts[index], `request ${index} alone`);
      }
      const { stepCount } = await engine.stats();
      assertLess(stepCount - stepCountBefore, 0.9 * stepCountBefore);
      const together = await Promise.all(
        [...requests, REQUESTS[0]].map((request) => collectIds(engine, request)),
      );
      assertEquals(together.slice(0, -1), texts);
      const [draftCount, acceptedCount] = drafts(await engine.stats());
      assertGreater(acceptedCount, 50);
      assertGreater(draftCount, acceptedCount);
    },
  ));

Deno.test("what depends on each token before is never guessed, and the engine can be told not to", async () => {
  const [request] = REQUESTS;
  await withTinyEngine(MODEL, async (engine) => {
    await collectIds(engine, { ...request, logprobs: 1 });
    await collectIds(engine, { ...request, adjustments: { frequencyPenalty: 0.1 } });
    assertEquals(drafts(await engine.stats()), [0, 0]);
    assert(engine.info.speculates);
    const adjustments = { logitBias: [[7, 1], [9, -1]] as const };
    const biased = { ...request, adjustments };
    const plain = await collectIds(engine, { ...biased, speculates: false });
    assertEquals(await collectIds(engine, biased), plain);
    assertGreater((await engine.stats()).acceptedTokenCount, 0);
  });
  await withTinyEngine({ ...MODEL, speculates: false }, async (engine) => {
    await collectIds(engine, request);
    assertEquals(drafts(await engine.stats()), [0, 0]);
    assert(!engine.info.speculates);
  });
});
