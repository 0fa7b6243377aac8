/** Models with experts: which rows share an expert in a step changes nothing of a sequence. */

import { assertEquals, assertGreater, assertNotEquals } from "@std/assert";
import type { Engine, GenerateRequest } from "../../src/engine/types.ts";
import { collectEvents, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

const EXPERTS = { expertCount: 8, type: "Q8_0" } as const;
const CASES = [
  { model: { ...EXPERTS, architecture: "qwen3moe" }, profile: { name: "exact" } },
  {
    model: {
      ...EXPERTS,
      architecture: "gpt-oss",
      layerCount: 4,
      metadata: { "gpt-oss.attention.sliding_window": 32 },
    },
    // Not its own steps, which the first start would try on the model.
    profile: { name: "near-lossless", keyStep: 1.14 },
  },
] as const;

/** Tokens with the log-probabilities of the likeliest, to the last bit. */
async function answerOf(engine: Engine, request: GenerateRequest) {
  const events = await collectEvents(engine, request);
  const last = events.at(-1)!;
  return {
    tokens: events.filter((event) => event.type === "token"),
    cachedCount: last.type === "finish" ? last.cachedTokenCount : NaN,
  };
}

for (const { model, profile } of CASES) {
  const name = `${model.architecture}, ${profile.name}`;
  Deno.test(`a model with experts gives 4 sequences at once what each gets alone (${name})`, () =>
    withTinyEngine({ model, profile, sequenceCountMax: 4 }, async (engine) => {
      const together = [5, 90, 200, 300].map((tokenCount, seed): GenerateRequest => ({
        promptIds: tinyPrompt(tokenCount, seed),
        maxTokens: 24,
        ignoreEos: true,
        logprobs: 3,
      }));
      const answers = await Promise.all(together.map((request) => answerOf(engine, request)));
      for (const [index, request] of together.entries()) {
        const alone = await answerOf(engine, { ...request, skipsCache: true });
        assertEquals([alone.tokens.length, alone.cachedCount], [24, 0]);
        assertEquals(answers[index].tokens, alone.tokens, `sequence ${index}`);
      }
      // A prompt that finds itself in the cache goes on with the same bits.
      const again = await answerOf(engine, together[3]);
      assertGreater(again.cachedCount, 0);
      assertEquals(again.tokens, answers[3].tokens);
      assertNotEquals(answers[2].tokens, answers[3].tokens);
    }));
}
