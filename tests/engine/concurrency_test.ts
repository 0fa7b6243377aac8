/** Sequences that run beside others give what they give alone. */

import { assertEquals } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import type { Engine, GenerateRequest, ProfileOptions } from "../../src/engine/types.ts";
import { seededRandom } from "../support/numeric.ts";
import { collectIds, collectTokens, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

const PROFILES: ProfileOptions[] = [
  { name: "exact" },
  { name: "int8" },
  { name: "paper" },
  { name: "paper", packSize: 32, repack: "median" },
  { name: "near-lossless", keyStep: 1.14 }, // its own steps would be tried on the model first
  { name: "balanced" },
  { name: "tight" },
];
/** Long enough that what goes away in the middle does so on any machine. */
const MODEL = { contextLength: 4096 };
const REQUEST_COUNT = 16;
/** Every so many of them goes away in the middle. */
const CUT_EVERY = 5;

/**
 * Greedy and seeded by turns; some prompts begin alike. Half report log-probabilities, to the last
 * bit; the others may have their next tokens guessed.
 */
function requests(seed: number): GenerateRequest[] {
  const random = seededRandom(seed);
  return Array.from({ length: REQUEST_COUNT }, (_, index) => ({
    promptIds: tinyPrompt(1 + Math.floor(random() * 400), index % 6),
    maxTokens: 1 + Math.floor(random() * 60),
    ignoreEos: true,
    ...(index % 2 === 0 ? {} : { sampling: { temperature: 1.2, topK: 40, seed: index } }),
    ...(index % 4 < 2 ? {} : { logprobs: 3 }),
  }));
}

/** Aborts a generation after some tokens; the code it ends with. */
async function abortAfter(
  engine: Engine,
  request: GenerateRequest,
  tokenCount: number,
): Promise<string> {
  const gone = new AbortController();
  let count = 0;
  try {
    for await (const event of engine.generate({ ...request, signal: gone.signal })) {
      if (event.type === "token" && ++count === tokenCount) gone.abort();
    }
  } catch (error) {
    if (error instanceof EngineError) return error.code;
    throw error;
  }
  return "finished";
}

for (const profile of PROFILES) {
  const name = JSON.stringify(profile);
  Deno.test(`each of 16 sequences that come and go gets the tokens it gets alone (${name})`, () =>
    withTinyEngine({ profile, sequenceCountMax: 16, model: MODEL }, async (engine) => {
      const random = seededRandom(17);
      const together = requests(11);
      const texts = await Promise.all(together.map(async (request, index) => {
        await new Promise((resolve) => setTimeout(resolve, random() * 300));
        if (index % CUT_EVERY !== 3) return await collectTokens(engine, request);
        const afterCount = 1 + Math.floor(random() * 20);
        assertEquals(
          await abortAfter(engine, { ...request, maxTokens: 3000 }, afterCount),
          "aborted",
        );
        return null;
      }));
      for (const [index, request] of together.entries()) {
        if (texts[index] === null) continue;
        const { tokens } = texts[index];
        assertEquals(tokens.length, request.maxTokens);
        const alone = await collectTokens(engine, request);
        assertEquals(tokens, alone.tokens, `request ${index}`);
      }
    }));
}

Deno.test("generate() rejects with queue_full behind the waiting ones, who are served all the same", () =>
  withTinyEngine({ sequenceCountMax: 1, waitingCountMax: 2 }, async (engine) => {
    const request = { promptIds: tinyPrompt(100, 1), maxTokens: 60, ignoreEos: true };
    const running = engine.generate(request)[Symbol.asyncIterator]();
    await running.next();
    const outcomes = await Promise.all(
      [1, 2, 3, 4].map(() =>
        collectIds(engine, request).then((ids) => ids.length, ({ code }: EngineError) => code)
      ),
    );
    assertEquals(outcomes, [60, 60, "queue_full", "queue_full"]);
    await running.return?.();
  }));
