/**
 * What answers look like: the schemas of `/openapi.json`, which tests hold every answer against.
 *
 * @module
 */

import { z } from "zod";
import { CODEC_ANSWER_FIELDS } from "./codec_fields.ts";

const count = z.number().int().min(0);
const finishReason = z.enum(["stop", "length", "tool_calls"]);

/** An error, and a failure within a stream. */
export const errorAnswer = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});

const usage = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: z.object({ cached_tokens: count }),
  completion_tokens_details: z.object({ reasoning_tokens: count }),
});

const timings = z.object({
  cache_n: count,
  prompt_n: count,
  prompt_ms: z.number(),
  prompt_per_second: z.number(),
  predicted_n: count,
  predicted_ms: z.number(),
  predicted_per_second: z.number(),
});

const logprob = z.object({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.number().int().min(0).max(255)).nullable(),
});

const chatLogprobs = z.object({
  content: z.array(logprob.extend({ top_logprobs: z.array(logprob).max(20) })).nullable(),
  refusal: z.null(),
}).nullable();

const toolCall = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const envelope = { id: z.string(), created: count, model: z.string() };

/** A whole chat completion. */
export const chatAnswer = z.object({
  ...envelope,
  object: z.literal("chat.completion"),
  choices: z.array(z.object({
    index: count,
    message: z.object({
      role: z.literal("assistant"),
      content: z.string().nullable(),
      refusal: z.null(),
      tool_calls: z.array(toolCall).optional(),
    }),
    logprobs: chatLogprobs,
    finish_reason: finishReason,
  })).min(1),
  usage,
  timings,
});

const progress = z.object({
  total: count,
  cache: count,
  processed: count,
  time_ms: z.number(),
});

const chunkRest = {
  usage: usage.nullable().optional(),
  timings: timings.optional(),
  prompt_progress: progress.optional(),
};

/** A chunk of a streamed chat completion. */
export const chatChunk = z.object({
  ...envelope,
  object: z.literal("chat.completion.chunk"),
  choices: z.array(z.object({
    index: count,
    delta: z.object({
      role: z.literal("assistant").optional(),
      content: z.string().nullable().optional(),
      tool_calls: z.array(z.object({
        index: count,
        id: z.string().optional(),
        type: z.literal("function").optional(),
        function: z.object({ name: z.string().optional(), arguments: z.string() }),
      })).optional(),
    }),
    logprobs: chatLogprobs,
    finish_reason: finishReason.nullable(),
  })),
  ...chunkRest,
});

const completionChoice = z.object({
  index: count,
  text: z.string(),
  logprobs: z.object({
    tokens: z.array(z.string()),
    token_logprobs: z.array(z.number().nullable()),
    top_logprobs: z.array(z.record(z.string(), z.number()).nullable()),
    text_offset: z.array(count),
  }).nullable(),
  finish_reason: finishReason,
});

/** A whole plain completion. */
export const completionAnswer = z.object({
  ...envelope,
  object: z.literal("text_completion"),
  choices: z.array(completionChoice).min(1),
  usage,
  timings,
});

/** A chunk of a streamed plain completion. */
export const completionChunk = z.object({
  ...envelope,
  object: z.literal("text_completion"),
  choices: z.array(completionChoice.extend({ finish_reason: finishReason.nullable() })),
  ...chunkRest,
});

/** One model. */
export const modelAnswer = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: count,
  owned_by: z.string(),
  aliases: z.array(z.string()),
  max_model_len: count,
  meta: z.object({
    n_vocab: count,
    n_ctx_train: count,
    n_ctx: count,
    n_params: count,
    size: count,
    kv_profile: z.string(),
    adapter: z.string(),
    adapter_is_fallback: z.boolean(),
  }),
});

/** The list of models. */
export const modelsAnswer = z.object({ object: z.literal("list"), data: z.array(modelAnswer) });

/** The codec in force. */
const codecAnswer = z.object({
  profile: z.string(),
  ...CODEC_ANSWER_FIELDS,
  layer_steps: z.enum(["calibration", "options", "even"]).nullable(),
  calibration: z.object({ model: z.string(), text: z.string(), tokens: count }).nullable(),
});

/** What is in force. */
export const propsAnswer = z.object({
  model_alias: z.string(),
  model_path: z.string(),
  total_slots: count,
  default_generation_settings: z.object({
    n_ctx: count,
    params: z.record(z.string(), z.unknown()),
  }),
  n_ctx_train: count,
  kv_profile: z.string(),
  kv_codec: codecAnswer,
  adapter: z.string(),
  adapter_is_fallback: z.boolean(),
  limits: z.object({
    sequences: count,
    queue: count,
    step_tokens: count,
    shares_prefixes: z.boolean(),
    kv_host_bytes: count,
    kv_disk_folder: z.string().nullable(),
    kv_disk_bytes: count,
    body_bytes: count,
    request_seconds: z.number(),
    drain_seconds: z.number(),
    ping_seconds: z.number(),
  }),
  memory: z.record(z.string(), z.unknown()),
});

/** What runs in each slot. */
export const slotsAnswer = z.array(z.object({
  id: count,
  n_ctx: count,
  is_processing: z.boolean(),
  state: z.enum(["idle", "prefill", "decode"]),
  n_prompt_tokens: count,
  n_prompt_tokens_cache: count,
  n_decoded: count,
  n_stored_tokens: count,
  kv_bytes: z.object({ raw: count, packed: count }),
}));

/** What saving, restoring or erasing did. */
export const slotActionAnswer = z.object({
  id_slot: count,
  filename: z.string().optional(),
  n_saved: count.optional(),
  n_written: count.optional(),
  n_restored: count.optional(),
  n_read: count.optional(),
  n_erased: count.optional(),
  timings: z.record(z.string(), z.number()).optional(),
});

/** Ids of a text. */
export const tokenizeAnswer = z.object({
  tokens: z.array(count),
  count,
  max_model_len: count,
});

/** The text of ids. */
export const detokenizeAnswer = z.object({ content: z.string(), prompt: z.string() });

/** A rendered conversation. */
export const templateAnswer = z.object({ prompt: z.string() });

/** Ready to answer. */
export const healthAnswer = z.object({ status: z.literal("ok") });
