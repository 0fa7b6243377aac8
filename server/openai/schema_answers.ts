/**
 * Schemas that answers share. `/openapi.json` shows them, and tests hold every answer against them.
 *
 * @module
 */

import { z } from "zod";

/** A number of things. */
export const count = z.number().int().min(0);

/** Why a choice ended. */
export const finishReason = z.enum(["stop", "length", "tool_calls"]);

/** An error, and a failure within a stream. */
export const errorAnswer = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});

/** Ids of a prompt or of an answer, where they are asked for. */
export const tokenIds = z.array(count).optional();

/** Token counts of an answer. */
export const usage = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: z.object({ cached_tokens: count }),
  completion_tokens_details: z.object({ reasoning_tokens: count }),
});

/** Counts, milliseconds and tokens per second of an answer. */
export const timings = z.object({
  cache_n: count,
  prompt_n: count,
  prompt_ms: z.number(),
  prompt_per_second: z.number(),
  predicted_n: count,
  predicted_ms: z.number(),
  predicted_per_second: z.number(),
});

/** Fields that answers and chunks of chat and plain completions begin with. */
export const envelope = { id: z.string(), created: count, model: z.string() };

const progress = z.object({
  total: count,
  cache: count,
  processed: count,
  time_ms: z.number(),
});

/** Fields that their chunks may end with. */
export const chunkRest = {
  usage: usage.nullable().optional(),
  timings: timings.optional(),
  prompt_progress: progress.optional(),
};
