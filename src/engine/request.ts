/**
 * Validation of a request at the engine's border, and defaults of its sampling options.
 *
 * @module
 */

import { needsCalibration } from "../codec/profile.ts";
import { EngineError } from "../core/errors.ts";
import { BIAS_COUNT_MAX, GREEDY, TOP_LOGPROB_COUNT_MAX } from "../core/sampling.ts";
import { POOLINGS } from "./pooling.ts";
import { KEEP_EVERYTHING, keepMethod } from "../scheduler/keep/registry.ts";
import { requestedRead } from "../runtime/read_method.ts";
import type { GenerateMessage } from "./messages.ts";
import { TOKEN_USES } from "./token_use.ts";
import type { EngineInfo, GenerateRequest, LogitAdjustments, SamplingOptions } from "./types.ts";

const REPETITION_PENALTY_MAX = 10;
const PENALTY_MAX = 2;
const BIAS_MAX = 100;

/** Fills in what was left out: greedy, with no truncation. */
function resolveSampling(sampling: Partial<SamplingOptions> = {}): SamplingOptions {
  return { ...GREEDY, ...sampling };
}

const ADJUSTMENT_DEFAULTS: LogitAdjustments = {
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: [],
};

/** Fills in what was left out; null if nothing changes. */
function resolveAdjustments(
  adjustments: Partial<LogitAdjustments> = {},
): LogitAdjustments | null {
  const all = { ...ADJUSTMENT_DEFAULTS, ...adjustments };
  const { repetitionPenalty, frequencyPenalty, presencePenalty, logitBias } = all;
  const isNeutral = repetitionPenalty === 1 && frequencyPenalty === 0 && presencePenalty === 0;
  return isNeutral && logitBias.length === 0 ? null : all;
}

/** A checked request as a message. */
export function toGenerateMessage(
  request: GenerateRequest,
  sequenceId: number,
  grammar: GenerateMessage["grammar"],
): GenerateMessage {
  return {
    type: "generate",
    sequenceId,
    promptIds: request.promptIds,
    maxTokens: request.maxTokens,
    sampling: resolveSampling(request.sampling),
    adjustments: resolveAdjustments(request.adjustments),
    logprobs: request.logprobs ?? null,
    promptLogprobs: request.promptLogprobs ?? null,
    pooling: request.pooling ?? null,
    grammar,
    // Nothing may follow what a grammar describes.
    ignoreEos: (request.ignoreEos ?? false) && grammar === null,
    priority: request.priority ?? 0,
    cacheSalt: request.cacheSalt ?? "",
    messageEnds: request.messageEnds ?? [],
    isContinued: request.isContinued ?? false,
    pins: request.pins ?? null,
    tokenUse: request.tokenUse ?? "stream",
    speculates: request.speculates ?? true,
    keep: request.keep ?? null,
    read: request.read ?? null,
    // What is in the cache was scored for another request, if at all.
    skipsCache: (request.skipsCache ?? false) || request.promptLogprobs !== undefined ||
      request.pooling === "mean",
  };
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
  check(Number.isInteger(maxTokens) && maxTokens >= 0, "maxTokens", `${maxTokens}; wanted >= 0`);
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
  const { pooling } = request;
  const isPooling = pooling === undefined || POOLINGS.includes(pooling);
  check(isPooling, "pooling", `${pooling}; wanted ${POOLINGS.join(" or ")}`);
  const { tokenUse = "stream" } = request;
  check(TOKEN_USES.includes(tokenUse), "tokenUse", `${tokenUse}; wanted ${TOKEN_USES.join(", ")}`);
  for (const param of ["logprobs", "promptLogprobs"] as const) {
    const count = request[param] ?? 0;
    const isCount = Number.isInteger(count) && count >= 0 && count <= TOP_LOGPROB_COUNT_MAX;
    check(isCount, param, `${count}; wanted an integer, 0 to ${TOP_LOGPROB_COUNT_MAX}`);
  }
  checkKeep(request.keep, info);
  requestedRead(request.read ?? null, info.read);
  checkAdjustments({ ...ADJUSTMENT_DEFAULTS, ...request.adjustments }, info);
}

function checkKeep(keep: string | undefined, info: EngineInfo): void {
  if (keep === undefined) return;
  if (info.keep === null) {
    const message = "Cannot generate: keep is asked for, and the server was started without " +
      `--keep; start it with --keep ${KEEP_EVERYTHING} to let requests say what stays`;
    throw new EngineError("invalid_request", message, { param: "keep" });
  }
  const { settings } = info.codec;
  try {
    if (!keepMethod(keep)?.keepChannels || needsCalibration(settings)) return;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new EngineError("invalid_request", error.message, { param: "keep" });
  }
  const message = `Cannot keep ${keep} with --profile ${settings.name}: its records hold all ` +
    "channels; wanted balanced, near-lossless or tight";
  throw new EngineError("invalid_request", message, { param: "keep" });
}

function checkAdjustments(adjustments: LogitAdjustments, { vocabSize }: EngineInfo): void {
  const { repetitionPenalty, frequencyPenalty, presencePenalty, logitBias } = adjustments;
  const isRepetition = repetitionPenalty > 0 && repetitionPenalty <= REPETITION_PENALTY_MAX;
  const repetitionRange = `wanted more than 0, at most ${REPETITION_PENALTY_MAX}`;
  check(isRepetition, "repetitionPenalty", `${repetitionPenalty}; ${repetitionRange}`);
  for (const [param, value] of Object.entries({ frequencyPenalty, presencePenalty })) {
    check(
      Math.abs(value) <= PENALTY_MAX,
      param,
      `${value}; wanted -${PENALTY_MAX} to ${PENALTY_MAX}`,
    );
  }
  const count = logitBias.length;
  check(
    count <= BIAS_COUNT_MAX,
    "logitBias",
    `${count} entries long; wanted ${BIAS_COUNT_MAX} at most`,
  );
  check(new Set(logitBias.map(([id]) => id)).size === count, "logitBias", "not unique in its ids");
  for (const [id, bias] of logitBias) {
    const isId = Number.isInteger(id) && id >= 0 && id < vocabSize;
    check(isId, "logitBias", `for token id ${id}; wanted integers 0 to ${vocabSize - 1}`);
    const range = `wanted -${BIAS_MAX} to ${BIAS_MAX}`;
    check(Math.abs(bias) <= BIAS_MAX, "logitBias", `${bias} for token id ${id}; ${range}`);
  }
}

function check(holds: boolean, param: string, found: string): void {
  if (holds) return;
  throw new EngineError("invalid_request", `Cannot generate: ${param} is ${found}`, { param });
}
