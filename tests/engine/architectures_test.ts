/**
 * Models of every architecture without a test of its own for it: who runs beside a sequence, and
 * what its prompt found in the cache, change no bit of it. Others: `experts_test.ts` (qwen3moe,
 * gpt-oss), `window_layers_test.ts` (gemma2, gemma4), `concurrency_test.ts` and `prefix_test.ts`
 * (llama).
 */

import { assertEquals, assertGreater, assertNotEquals } from "@std/assert";
import type { GenerateRequest } from "../../src/engine/types.ts";
import { ARCHITECTURES } from "../../src/model/architectures/registry.ts";
import { collectEvents, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";
import type { TinyModelOptions } from "../support/tiny_model.ts";

const ELSEWHERE = ["llama", "qwen3moe", "gpt-oss", "gemma2", "gemma4"];

/** What makes a layer differ from its neighbours. */
const OWN: Record<string, Partial<TinyModelOptions>> = {
  gemma3: {
    metadata: {
      "gemma3.attention.sliding_window": 70,
      "gemma3.attention.sliding_window_pattern": 2,
    },
  },
  smollm3: { layerCount: 4 },
};

for (const architecture of Object.keys(ARCHITECTURES).filter((each) => !ELSEWHERE.includes(each))) {
  const model = { architecture, type: "Q8_0", ...OWN[architecture] } as const;
  Deno.test(`${architecture} gives 4 sequences at once what each gets alone, and what one gets behind a cached prompt`, () =>
    withTinyEngine({ model, sequenceCountMax: 4 }, async (engine) => {
      const answerOf = async (request: GenerateRequest) => {
        const events = await collectEvents(engine, request);
        const last = events.at(-1)!;
        const tokens = events.filter((event) => event.type === "token");
        return { tokens, cached: last.type === "finish" ? last.cachedTokenCount : NaN };
      };
      const requests = [5, 70, 130, 260].map((tokenCount, seed): GenerateRequest => ({
        promptIds: tinyPrompt(tokenCount, seed),
        maxTokens: 8,
        ignoreEos: true,
        logprobs: 3,
      }));
      const together = await Promise.all(requests.map(answerOf));
      for (const [index, request] of requests.entries()) {
        const alone = await answerOf({ ...request, skipsCache: true });
        assertEquals([alone.tokens.length, alone.cached], [8, 0]);
        assertEquals(together[index].tokens, alone.tokens, `sequence ${index}`);
      }
      const again = await answerOf(requests[3]);
      assertGreater(again.cached, 0);
      assertEquals(again.tokens, together[3].tokens);
      assertNotEquals(together[2].tokens, together[3].tokens);
    }));
}
