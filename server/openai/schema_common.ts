/**
 * The fields that chat and plain completions share, with their ranges and defaults.
 *
 * @module
 */

import { z } from "zod";
import { BIAS_COUNT_MAX } from "../../src/core/sampling.ts";
import type { LogitAdjustments, SamplingOptions } from "../../src/engine/types.ts";
import { agreed } from "./agreed.ts";
import { CODEC_REQUEST_FIELDS } from "./codec_fields.ts";
import { ApiError } from "./errors.ts";
import { notSupported } from "./unsupported.ts";

const UINT32_COUNT = 2 ** 32;
const INT64_LIMIT = 2 ** 63;

/** Most stop strings of one request. */
export const STOP_COUNT_MAX = 32;
/** Most choices of one prompt. */
export const CHOICE_COUNT_MAX = 8;
/** Engine's smallest `topP`: keeps the most likely token only, what OpenAI means by 0. */
const TOP_P_MIN = 1e-6;

// A 64-bit seed is past what a JSON number holds exactly, so it need not be a safe integer.
const seedSchema = z.number().min(-INT64_LIMIT).max(INT64_LIMIT)
  .refine(Number.isInteger, "expected an integer");

// Clients send empty strings for fields left blank; these stop nothing.
const stopSchema = z.union([z.string(), z.array(z.string()).max(STOP_COUNT_MAX)]);

/** An id that the caller gives its request. */
const requestIdSchema = z.string().regex(/^[!-~]{1,128}$/, "expected 1 to 128 printable letters");

const biasSchema = z.record(
  z.string().regex(/^(0|[1-9]\d{0,8})$/, "expected token ids as keys"),
  z.number().min(-100).max(100),
).refine(
  (bias) => Object.keys(bias).length <= BIAS_COUNT_MAX,
  `expected at most ${BIAS_COUNT_MAX} entries`,
);

// Unknown names are kept, so that they are refused together with those of other codecs.
const kvSchema = z.object({ profile: z.string().nullish(), ...CODEC_REQUEST_FIELDS })
  .catchall(z.union([z.string(), z.number()]).nullish());

/** Zod shape of the shared fields; null is the same as absent everywhere. */
export const commonFields = {
  model: z.string().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.number().int().min(-1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  seed: seedSchema.nullish(),
  n: z.number().int().min(1).max(CHOICE_COUNT_MAX).nullish(),
  stop: stopSchema.nullish(),
  include_stop_str_in_output: z.boolean().nullish(),
  skip_special_tokens: z.boolean().nullish(),
  ignore_eos: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({
    include_usage: z.boolean().nullish(),
    continuous_usage_stats: z.boolean().nullish(),
    include_obfuscation: z.boolean().nullish(),
  }).nullish(),
  return_progress: z.boolean().nullish(),
  return_token_ids: z.boolean().nullish(),
  return_tokens_as_token_ids: z.boolean().nullish(),
  user: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
  session_id: z.string().nullish(),
  request_id: requestIdSchema.nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  repetition_penalty: z.number().positive().max(10).nullish(),
  repeat_penalty: z.number().positive().max(10).nullish(),
  logit_bias: biasSchema.nullish(),
  priority: z.number().int().min(-100).max(100).nullish(),
  cache_salt: z.string().nullish(),
  cache_prompt: z.boolean().nullish(),
  speculation: z.boolean().nullish(),
  kv: kvSchema.nullish(),
};

const commonSchema = z.object(commonFields);
type CommonBody = z.infer<typeof commonSchema>;

/** How the answer is to be sent. */
export interface StreamSettings {
  stream: boolean;
  /** A last chunk has the usage. */
  includeUsage: boolean;
  /** Every chunk has the usage so far. */
  continuousUsage: boolean;
  /** Chunks say how much of the prompt is processed. */
  returnProgress: boolean;
}

/** What both kinds of completion ask for, checked and with defaults filled in. */
export interface CommonRequest extends StreamSettings {
  /** Null asks for the served model. */
  model: string | null;
  /** All fields present; the seed is of choice 0, choice i uses `seed + i` modulo 2^32. */
  sampling: SamplingOptions;
  stop: readonly string[];
  /** Whether the answer ends with the stop string, not before it. */
  includesStop: boolean;
  /** Whether control tokens of the answer are text. */
  showControl: boolean;
  ignoreEos: boolean;
  /** 1 to {@link CHOICE_COUNT_MAX}. */
  choiceCount: number;
  adjustments: LogitAdjustments;
  /** Alternatives to report with each token; null: no log-probabilities at all. */
  logprobs: number | null;
  /** Whether log-probabilities name tokens by their ids. */
  namesById: boolean;
  /** Whether the answer has ids of tokens beside the text. */
  returnsIds: boolean;
  priority: number;
  cacheSalt: string;
  /** Whether the whole prompt is prefilled, even if it is in the cache. */
  skipsCache: boolean;
  /** Whether guesses of next tokens may be checked. */
  speculates: boolean;
  /** What the answer's id is made of; null draws a random one. */
  requestId: string | null;
  /** Settings of the cache that the request relies on. */
  kv: Readonly<Record<string, string | number>>;
}

/** Folds any integer into u32; -1 and absence draw a random one. */
function toSeed(seed: number | null | undefined): number {
  if (seed === null || seed === undefined || seed === -1) {
    return crypto.getRandomValues(new Uint32Array(1))[0];
  }
  return Number(BigInt.asUintN(32, BigInt(seed)));
}

/** The seed of choice `choiceIndex` of a request whose first choice has `seed`. */
export function seedOfChoice(seed: number, choiceIndex: number): number {
  return (seed + choiceIndex) % UINT32_COUNT;
}

/**
 * Fills in the defaults, which are OpenAI's: temperature 1, nothing cut off.
 *
 * @throws {ApiError} 400 if `stream_options` is given without `stream`.
 */
export function toCommonRequest(body: CommonBody): Omit<CommonRequest, "logprobs"> {
  if (body.stream_options && !body.stream) {
    const message = "Cannot accept stream_options: stream is not true";
    throw new ApiError(400, message, { param: "stream_options", code: "invalid_value" });
  }
  if (body.stream_options?.include_obfuscation) {
    throw notSupported("stream_options.include_obfuscation");
  }
  const { stop = null, repetition_penalty, repeat_penalty } = body;
  return {
    model: body.model ?? null,
    sampling: {
      temperature: body.temperature ?? 1,
      topK: Math.max(0, body.top_k ?? 0),
      topP: Math.max(TOP_P_MIN, body.top_p ?? 1),
      minP: body.min_p ?? 0,
      seed: toSeed(body.seed),
    },
    stop: (typeof stop === "string" ? [stop] : stop ?? []).filter((text) => text !== ""),
    includesStop: body.include_stop_str_in_output ?? false,
    showControl: !(body.skip_special_tokens ?? true),
    ignoreEos: body.ignore_eos ?? false,
    choiceCount: body.n ?? 1,
    adjustments: {
      repetitionPenalty: agreed({ repetition_penalty, repeat_penalty }) ?? 1,
      frequencyPenalty: body.frequency_penalty ?? 0,
      presencePenalty: body.presence_penalty ?? 0,
      logitBias: Object.entries(body.logit_bias ?? {}).map(([id, bias]) => [Number(id), bias]),
    },
    namesById: body.return_tokens_as_token_ids ?? false,
    returnsIds: body.return_token_ids ?? false,
    priority: body.priority ?? 0,
    cacheSalt: body.cache_salt ?? "",
    skipsCache: !(body.cache_prompt ?? true),
    speculates: body.speculation ?? true,
    requestId: body.request_id ?? null,
    kv: Object.fromEntries(
      Object.entries(body.kv ?? {}).flatMap(([name, value]) =>
        value === null || value === undefined ? [] : [[name, value]]
      ),
    ),
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    continuousUsage: body.stream_options?.continuous_usage_stats ?? false,
    returnProgress: body.return_progress ?? false,
  };
}
