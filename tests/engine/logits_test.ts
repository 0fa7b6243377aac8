/** What is done with logits beside sampling: adjustments, log-probabilities, prompts only read. */

import { assert, assertEquals } from "@std/assert";
import type { LogitAdjustments, TokenLogprobs } from "../../src/core/sampling.ts";
import type { Engine, GenerateRequest } from "../../src/engine/types.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { logitsAdjustReference } from "../../src/reference/logits_adjust.ts";
import { tokenLogprobsReference } from "../../src/reference/token_logprobs.ts";
import { referenceLogits } from "../support/reference_model.ts";
import {
  collectEvents,
  collectIds,
  idleStats,
  sharedTinyEngine,
  tinyPrompt,
  withTinyEngine,
} from "../support/tiny_engine.ts";

/** The engine computes in f32 and keeps K and V as f16; the reference is f64. */
const LOGPROB_ERROR_MAX = 0.01;

const NEUTRAL: LogitAdjustments = {
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: [],
};

function assertReport(actual: TokenLogprobs, logits: Float64Array, id: number, topCount: number) {
  const wanted = tokenLogprobsReference(Float32Array.from(logits), id, topCount);
  assertEquals(actual.id, id);
  assertEquals(actual.top.length, topCount);
  const all = [[actual, wanted], ...actual.top.map((each, i) => [each, wanted.top[i]])];
  for (const [{ logprob }, expected] of all) {
    const error = Math.abs(logprob - expected.logprob);
    assert(error <= LOGPROB_ERROR_MAX, `${logprob} is not ${expected.logprob}`);
  }
}

async function logprobsOf(engine: Engine, request: GenerateRequest) {
  const events = await collectEvents(engine, request);
  const prompt: (TokenLogprobs | null)[] = [null];
  for (const event of events) {
    if (event.type !== "prompt_logprobs") continue;
    assertEquals(event.position, prompt.length, "reports follow each other");
    prompt.push(...event.entries);
  }
  const tokens = events.flatMap((event) => event.type === "token" ? [event] : []);
  return { prompt, tokens, finish: events.at(-1)! };
}

const exact = sharedTinyEngine({ profile: { name: "exact" } });

/** Runs `body` with an exact engine on a tiny model, and the logits that are true for it. */
async function withReference(
  body: (engine: Engine, logitsOf: (ids: readonly number[]) => Float64Array[]) => Promise<void>,
): Promise<void> {
  const engine = exact();
  const file = await readGguf(engine.info.modelPath);
  await body(engine, (ids) => referenceLogits(file, ids));
}

Deno.test("generate() tells log-probabilities of tokens and prompts as the reference has them", () =>
  withReference(async (engine, logitsOf) => {
    for (const [length, topCount] of [[1, 20], [64, 3], [65, 0], [150, 5]]) {
      const promptIds = tinyPrompt(length, length);
      const request = { promptIds, maxTokens: 4, ignoreEos: true };
      const { prompt, tokens } = await logprobsOf(engine, {
        ...request,
        logprobs: topCount,
        promptLogprobs: topCount,
      });
      const ids = tokens.map(({ id }) => id);
      assertEquals(ids, await collectIds(engine, request), "asking changes no token");
      const logits = logitsOf([...promptIds, ...ids]);
      assertEquals(prompt.length, length);
      for (let position = 1; position < length; position++) {
        assertReport(prompt[position]!, logits[position - 1], promptIds[position], topCount);
      }
      tokens.forEach(({ id, logprobs }, index) => {
        assertReport(logprobs!, logits[length - 1 + index], id, topCount);
      });
    }
  }));

Deno.test("generate() with maxTokens 0 reads the prompt, also one that fills the context", () =>
  withReference(async (engine) => {
    for (const length of [1, 63, 64, 400, engine.info.contextLength]) {
      const request = { promptIds: tinyPrompt(length, 1), maxTokens: 0, promptLogprobs: 1 };
      const { prompt, tokens, finish } = await logprobsOf(engine, request);
      assertEquals([prompt.length, tokens.length], [length, 0]);
      assert(finish.type === "finish" && finish.reason === "length");
      assertEquals([finish.promptTokenCount, finish.completionTokenCount], [length, 0]);
    }
    await idleStats(engine);
  }));

const ADJUSTMENTS: { why: string; adjustments: Partial<LogitAdjustments> }[] = [
  { why: "repetition", adjustments: { repetitionPenalty: 1.8 } },
  { why: "frequency", adjustments: { frequencyPenalty: 1.1 } },
  { why: "presence", adjustments: { presencePenalty: 2 } },
  { why: "bias", adjustments: { logitBias: [[100, 6], [101, 5.5], [102, -100]] } },
  {
    why: "all",
    adjustments: {
      repetitionPenalty: 1.2,
      frequencyPenalty: 0.5,
      presencePenalty: 0.3,
      logitBias: [[100, 3], [7, 4]],
    },
  },
];

Deno.test("generate() adjusts logits as the reference does", async (t) => {
  await withReference(async (engine, logitsOf) => {
    const plain = { promptIds: tinyPrompt(70, 5), maxTokens: 24, ignoreEos: true };
    const unchanged = await collectIds(engine, plain);
    for (const { why, adjustments } of ADJUSTMENTS) {
      await t.step(why, async () => {
        const request = { ...plain, adjustments, logprobs: 0 };
        const { tokens } = await logprobsOf(engine, request);
        const ids = tokens.map(({ id }) => id);
        assert(ids.join() !== unchanged.join(), "it has an effect");
        const logits = logitsOf([...plain.promptIds, ...ids]);
        for (const [index, id] of ids.entries()) {
          const own = logits[plain.promptIds.length - 1 + index];
          const adjusted = logitsAdjustReference(Float32Array.from(own), {
            ...NEUTRAL,
            ...adjustments,
            promptIds: plain.promptIds,
            generatedIds: ids.slice(0, index),
            allowedIds: null,
          });
          const best = Math.max(...adjusted);
          assert(best - adjusted[id] <= LOGPROB_ERROR_MAX, `token ${index} is the best`);
          // Told is what the model thought, not what was made of it.
          assertReport(tokens[index].logprobs!, own, id, 0);
        }
      });
    }
  });
});

Deno.test("each of many sequences with adjustments gets the tokens it gets alone", () =>
  withTinyEngine({ sequenceCountMax: 4 }, async (engine) => {
    const together = Array.from({ length: 8 }, (_, index): GenerateRequest => ({
      promptIds: tinyPrompt(20 + 37 * index, index),
      maxTokens: 40,
      ignoreEos: true,
      sampling: { temperature: 1, topK: 50, seed: index },
      ...(index % 3 === 0 ? {} : { adjustments: ADJUSTMENTS[index % 5].adjustments }),
      ...(index % 2 === 0 ? { logprobs: index, promptLogprobs: index } : {}),
    }));
    const all = await Promise.all(together.map((request) => logprobsOf(engine, request)));
    for (const [index, request] of together.entries()) {
      assertEquals(all[index], { ...await logprobsOf(engine, request), finish: all[index].finish });
    }
    await idleStats(engine);
  }));

for (const hostSizeBytes of [0, 2 ** 24]) {
  Deno.test(`a preempted sequence keeps its counts and tells each log-probability once (${hostSizeBytes} bytes on the host)`, () =>
    withTinyEngine(
      {
        profile: { name: "paper", keyRel: 0.004, valueRel: 0.004 },
        sequenceCountMax: 3,
        cacheSizeBytes: 84 * 1024,
        hostSizeBytes,
      },
      async (engine) => {
        // Blocks of one repeated token are small: after many of them all three are admitted.
        for (let id = 9; id < 17; id++) {
          await collectIds(engine, { promptIds: new Array(500).fill(id), maxTokens: 10 });
        }
        const before = await idleStats(engine);
        const together = [1, 2, 3].map((seed): GenerateRequest => ({
          promptIds: tinyPrompt(200, seed),
          maxTokens: 210,
          ignoreEos: true,
          promptLogprobs: 2,
          logprobs: 1,
          adjustments: { frequencyPenalty: 0.8, repetitionPenalty: 1.1 },
        }));
        const all = await Promise.all(together.map((request) => logprobsOf(engine, request)));
        const { promptTokenCount, loadedBlockCount } = await idleStats(engine);
        const isReadAgain = promptTokenCount - before.promptTokenCount > 600;
        assert(hostSizeBytes > 0 ? loadedBlockCount > 0 : isReadAgain, "somebody was preempted");
        for (const [index, request] of together.entries()) {
          const alone = await logprobsOf(engine, { ...request, skipsCache: true });
          const ids = (tokens: typeof alone.tokens) => tokens.map(({ id }) => id);
          assertEquals(ids(all[index].tokens), ids(alone.tokens), `request ${index}`);
          assertEquals(all[index].prompt, alone.prompt);
          assert(all[index].tokens.every(({ id, logprobs }) => logprobs?.id === id));
        }
      },
    ));
}
