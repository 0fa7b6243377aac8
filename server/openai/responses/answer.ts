/**
 * What answers of POST /v1/responses look like, whole and as events.
 *
 * @module
 */

import { z } from "zod";
import { count, errorAnswer } from "../schema_answers.ts";

const status = z.enum(["in_progress", "completed", "incomplete"]);
const failure = z.object({ code: z.string().nullable(), message: z.string() });
const textPart = z.object({
  type: z.literal("output_text"),
  text: z.string(),
  annotations: z.array(z.unknown()).max(0),
  logprobs: z.array(z.unknown()).optional(),
});

const reasoningPart = z.object({ type: z.literal("reasoning_text"), text: z.string() });

const outputItem = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("message"),
    id: z.string(),
    role: z.literal("assistant"),
    status,
    content: z.array(textPart),
  }),
  z.object({
    type: z.literal("function_call"),
    id: z.string(),
    call_id: z.string(),
    name: z.string(),
    /** Of a function that came in one. */
    namespace: z.string().optional(),
    arguments: z.string(),
    status,
  }),
  z.object({
    type: z.literal("reasoning"),
    id: z.string(),
    summary: z.array(z.unknown()).max(0),
    content: z.array(reasoningPart),
    encrypted_content: z.string().nullable(),
    status,
  }),
]);

/** A whole answer. */
export const responsesAnswer = z.object({
  id: z.string(),
  object: z.literal("response"),
  created_at: count,
  status: z.enum([...status.options, "failed"]),
  error: failure.nullable(),
  incomplete_details: z.object({ reason: z.literal("max_output_tokens") }).nullable(),
  model: z.string(),
  output: z.array(outputItem),
  usage: z.object({
    input_tokens: count,
    input_tokens_details: z.object({ cached_tokens: count, cache_write_tokens: count }),
    output_tokens: count,
    output_tokens_details: z.object({ reasoning_tokens: count }),
    total_tokens: count,
  }).nullable(),
  instructions: z.string().nullable(),
  max_output_tokens: count.nullable(),
  metadata: z.record(z.string(), z.string()),
  parallel_tool_calls: z.boolean(),
  previous_response_id: z.string().nullable(),
  store: z.boolean(),
  temperature: z.number(),
  text: z.object({ format: z.record(z.string(), z.unknown()) }),
  tool_choice: z.unknown(),
  tools: z.array(z.record(z.string(), z.unknown())),
  top_p: z.number(),
  truncation: z.literal("disabled"),
  access_programs: z.null(),
  background: z.literal(false),
  completed_at: count.nullable(),
  prompt_cache_key: z.string().nullable(),
  reasoning: z.object({ effort: z.string().nullable(), summary: z.null() }),
  service_tier: z.literal("default"),
  top_logprobs: count,
});

/** What is left of one that was deleted. */
export const responseDeleted = z.object({
  id: z.string(),
  object: z.literal("response.deleted"),
  deleted: z.literal(true),
});

const place = { sequence_number: count, output_index: count, item_id: z.string() };
const event = <T extends string>(type: T, fields: z.ZodRawShape) =>
  z.object({ type: z.literal(type), sequence_number: count, ...fields });
const partPlace = { ...place, content_index: z.literal(0) };
const itemFields = { output_index: count, item: outputItem };

/** An event of a streamed answer. */
export const responsesEvent = z.union([
  ...(["created", "in_progress", "completed", "incomplete", "failed"] as const).map((name) =>
    event(`response.${name}`, { response: responsesAnswer })
  ),
  event("error", {
    ...failure.shape,
    param: z.string().nullable(),
    error: errorAnswer.shape.error,
  }),
  event("response.output_item.added", itemFields),
  event("response.output_item.done", itemFields),
  event("response.content_part.added", { ...partPlace, part: z.union([textPart, reasoningPart]) }),
  event("response.content_part.done", { ...partPlace, part: z.union([textPart, reasoningPart]) }),
  event("response.output_text.delta", {
    ...partPlace,
    delta: z.string(),
    logprobs: z.array(z.unknown()),
  }),
  event("response.output_text.done", {
    ...partPlace,
    text: z.string(),
    logprobs: z.array(z.unknown()),
  }),
  event("response.reasoning_text.delta", { ...partPlace, delta: z.string() }),
  event("response.reasoning_text.done", { ...partPlace, text: z.string() }),
  event("response.function_call_arguments.delta", { ...place, delta: z.string() }),
  event("response.function_call_arguments.done", {
    ...place,
    name: z.string(),
    arguments: z.string(),
  }),
]);
