/**
 * A generation as a request to the engine.
 *
 * @module
 */

import type { GenerateRequest, TokenUse } from "../../../src/engine/types.ts";
import type { Echo } from "./echo.ts";
import type { GenerationSpec } from "./spec.ts";

/** What is done with tokens: a stop string, or thoughts that take too long, end the generation. */
function tokenUseOf({ stop, reasoningTokenCountMax, streams }: GenerationSpec): TokenUse {
  if (stop.length > 0 || reasoningTokenCountMax !== null) return "watch";
  return streams ? "stream" : "collect";
}

/** What the engine is asked for; `signal` ends it. */
export function toRequest(spec: GenerationSpec, signal: AbortSignal, echo: Echo): GenerateRequest {
  const {
    promptIds,
    maxTokens,
    sampling,
    ignoreEos,
    adjustments,
    priority,
    cacheSalt,
    messageEnds,
    isContinued,
    skipsCache,
    speculates,
  } = spec;
  const count = spec.logprobs;
  return {
    promptIds,
    maxTokens,
    sampling,
    ignoreEos,
    adjustments,
    priority,
    cacheSalt,
    messageEnds,
    isContinued,
    skipsCache,
    speculates,
    tokenUse: tokenUseOf(spec),
    signal,
    ...(spec.keep === null ? {} : { keep: spec.keep }),
    ...(spec.read === null ? {} : { read: spec.read }),
    ...(spec.pins === null ? {} : { pins: spec.pins }),
    ...(spec.grammar === null ? {} : { grammar: spec.grammar }),
    ...(count === null ? {} : { logprobs: count }),
    ...(count === null || !echo.reportsLogprobs ? {} : { promptLogprobs: count }),
  };
}
