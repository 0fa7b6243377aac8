import { assertEquals, assertThrows } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { validateRequest } from "../../src/engine/request.ts";
import type { EngineInfo, GenerateRequest } from "../../src/engine/types.ts";

const INFO = { vocabSize: 100, contextLength: 50, keep: null, read: null } as EngineInfo;
const GOOD: GenerateRequest = { promptIds: [1, 2], maxTokens: 5 };

const CASES: { change: Partial<GenerateRequest>; param: string; why: string }[] = [
  { change: { promptIds: [] }, param: "promptIds", why: "no token" },
  { change: { promptIds: [100] }, param: "promptIds", why: "one past the vocabulary" },
  { change: { promptIds: [-1] }, param: "promptIds", why: "negative id" },
  { change: { promptIds: [1.5] }, param: "promptIds", why: "no integer" },
  { change: { maxTokens: -1 }, param: "maxTokens", why: "fewer than none" },
  { change: { logprobs: 21 }, param: "logprobs", why: "more than are found" },
  { change: { promptLogprobs: 0.5 }, param: "promptLogprobs", why: "not whole" },
  { change: { adjustments: { repetitionPenalty: 0 } }, param: "repetitionPenalty", why: "zero" },
  { change: { adjustments: { presencePenalty: 3 } }, param: "presencePenalty", why: "too large" },
  { change: { adjustments: { frequencyPenalty: NaN } }, param: "frequencyPenalty", why: "NaN" },
  { change: { adjustments: { logitBias: [[-1, 1]] } }, param: "logitBias", why: "no such id" },
  { change: { adjustments: { logitBias: [[1, 101]] } }, param: "logitBias", why: "too large" },
  { change: { adjustments: { logitBias: [[1, 1], [1, 2]] } }, param: "logitBias", why: "twice" },
  { change: { sampling: { temperature: -1 } }, param: "temperature", why: "negative" },
  { change: { sampling: { temperature: NaN } }, param: "temperature", why: "not a number" },
  { change: { sampling: { topK: 0.5 } }, param: "topK", why: "no integer" },
  { change: { sampling: { topP: 0 } }, param: "topP", why: "keeps nothing" },
  { change: { sampling: { minP: 1.1 } }, param: "minP", why: "above 1" },
  { change: { sampling: { seed: 2 ** 32 } }, param: "seed", why: "33 bits" },
];

for (const { change, param, why } of CASES) {
  Deno.test(`validateRequest() refuses ${param} (${why})`, () => {
    const error = assertThrows(() => validateRequest({ ...GOOD, ...change }, INFO), EngineError);
    assertEquals([error.code, error.param], ["invalid_request", param]);
  });
}

Deno.test("validateRequest() accepts a request that fills the context exactly, and no more", () => {
  validateRequest({ ...GOOD, maxTokens: 48 }, INFO);
  const error = assertThrows(
    () => validateRequest({ ...GOOD, maxTokens: 49 }, INFO),
    EngineError,
    "are 51, the context holds 50",
  );
  assertEquals(error.code, "context_length_exceeded");
});
