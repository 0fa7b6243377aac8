/**
 * What answers look like: the schemas of `/openapi.json`, which tests hold every answer against.
 *
 * @module
 */

import { z } from "zod";

/** A number of things. */
export const count = z.number().int().min(0);
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
