/**
 * Validation of a request at the engine's border, and defaults of its sampling options.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import type { EngineInfo, GenerateRequest, SamplingOptions } from "./types.ts";

/** Greedy, with no truncation. */
const SAMPLING_DEFAULTS: SamplingOptions = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 };

/** Fills in what was left out. */
export function resolveSampling(sampling: Partial<SamplingOptions> = {}): SamplingOptions {
  return { ...SAMPLING_DEFAULTS, ...sampling };
}

/**
 * Checks ids, counts and sampling ranges.
 *
 * @throws {EngineError} `invalid_request` naming the field, or `context_length_exceeded`.
 */
export function validateRequest(request: GenerateRequest, info: EngineInfo): void {
  const { promptIds, maxTokens } = request;
  check(promptIds.length > 0, "promptIds", "an empty prompt; wanted at least one token");
  const wrong = promptIds.find((id) => !Number.isInteger(id) || id < 0 || id >= info.vocabSize);
  const vocabulary = `0 to ${info.vocabSize - 1}`;
  check(wrong === undefined, "promptIds", `token id ${wrong}; wanted integers ${vocabulary}`);
  check(Number.isInteger(maxTokens) && maxTokens >= 1, "maxTokens", `${maxTokens}; wanted >= 1`);
  if (promptIds.length + maxTokens > info.contextLength) {
    throw new EngineError(
      "context_length_exceeded",
      `Cannot generate: ${promptIds.length} prompt tokens and ${maxTokens} to generate are ` +
        `${promptIds.length + maxTokens}, the context holds ${info.contextLength}`,
      { param: "maxTokens" },
    );
  }
  const { temperature, topK, topP, minP, seed } = resolveSampling(request.sampling);
  check(temperature >= 0 && temperature <= 100, "temperature", `${temperature}; wanted 0 to 100`);
  check(Number.isInteger(topK) && topK >= 0, "topK", `${topK}; wanted an integer >= 0`);
  check(topP > 0 && topP <= 1, "topP", `${topP}; wanted more than 0, at most 1`);
  check(minP >= 0 && minP <= 1, "minP", `${minP}; wanted 0 to 1`);
  const { priority = 0 } = request;
  const isPriority = Number.isInteger(priority) && Math.abs(priority) <= 100;
  check(isPriority, "priority", `${priority}; wanted an integer from -100 to 100`);
  check(seed >>> 0 === seed, "seed", `${seed}; wanted an unsigned 32-bit integer`);
}

function check(holds: boolean, param: string, found: string): void {
  if (holds) return;
  throw new EngineError("invalid_request", `Cannot generate: ${param} is ${found}`, { param });
}
