/**
 * The body of POST /v1/responses.
 *
 * @module
 */

import { z } from "zod";
import { TOP_LOGPROB_COUNT_MAX } from "../../../src/core/sampling.ts";
import type { ConversationRequest } from "../conversation_specs.ts";
import { parseBody } from "../parse_body.ts";
import { describePartType } from "../part_type.ts";
import type { Message } from "../past_messages.ts";
import { commonFields, toCommonRequest } from "../schema_common.ts";
import { tokenLimit, toTokenLimit } from "../schema_lengths.ts";
import { argumentsSchema, toArguments, toVariables } from "../schema_messages.ts";
import { type Structure, TOOL_COUNT_MAX, toStructure } from "../structured.ts";
import { notSupported, refuseUnsupported } from "../unsupported.ts";

const contentPart = z.object({
  type: z.enum(["input_text", "output_text", "text"], {
    error: ({ input }) => describePartType(input),
  }),
  text: z.string(),
});

const message = z.object({
  type: z.literal("message").nullish(),
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: z.union([z.string(), z.array(contentPart).min(1)]),
});

const callItem = z.object({
  type: z.literal("function_call"),
  call_id: z.string(),
  name: z.string(),
  arguments: argumentsSchema.nullish(),
});

const resultItem = z.object({
  type: z.literal("function_call_output"),
  call_id: z.string(),
  output: z.union([z.string(), z.array(contentPart).min(1)]),
});

const format = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text") }),
  z.object({ type: z.literal("json_object") }),
  z.object({
    type: z.literal("json_schema"),
    name: z.string(),
    schema: z.record(z.string(), z.unknown()),
    description: z.string().nullish(),
    strict: z.boolean().nullish(),
  }),
]);

const toolSchema = z.object({
  type: z.literal("function"),
  name: z.string().regex(/^[\w.-]{1,64}$/),
  description: z.string().nullish(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
});

const { n: _, stream_options: __, return_progress: ___, ...sampling } = commonFields;

/** The one part of an answer that has to be asked for. */
const LOGPROBS = "message.output_text.logprobs";
/** Of items that no answer has. */
const ENCRYPTED_REASONING = "reasoning.encrypted_content";

/** A request as it comes. */
export const responsesSchema = z.object({
  ...sampling,
  input: z.union([z.string().min(1), z.array(z.union([message, callItem, resultItem])).min(1)]),
  instructions: z.string().nullish(),
  max_output_tokens: tokenLimit()
    .refine((value) => value !== 0, "expected 1 or more, or -1 for no limit").nullish(),
  include: z.array(z.string()).nullish(),
  top_logprobs: z.number().int().min(0).max(TOP_LOGPROB_COUNT_MAX).nullish(),
  reasoning: z.object({ effort: z.string().nullish(), summary: z.string().nullish() }).nullish(),
  tools: z.array(toolSchema).max(TOOL_COUNT_MAX).nullish(),
  tool_choice: z.union([
    z.enum(["none", "auto", "required"]),
    z.object({ type: z.literal("function"), name: z.string() }),
  ]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z.object({ format: format.nullish(), verbosity: z.string().nullish() }).nullish(),
  previous_response_id: z.string().nullish(),
  background: z.boolean().nullish(),
  store: z.boolean().nullish(),
});

const HONOURED = Object.keys(responsesSchema.shape);

type Body = z.infer<typeof responsesSchema>;

/** A request, checked. */
export interface ResponsesRequest extends ConversationRequest {
  /** What the answer repeats of the request. */
  echoed: Record<string, unknown>;
}

function textOf(content: string | { text: string }[]): string {
  return typeof content === "string" ? content : content.map(({ text }) => text).join("\n");
}

/** Calls that follow one another are those of one answer. */
function toMessages({ input, instructions }: Body): Message[] {
  const messages: Message[] = [];
  if (instructions) messages.push({ role: "system", content: instructions });
  if (typeof input === "string") return [...messages, { role: "user", content: input }];
  for (const item of input) {
    const last = messages.at(-1);
    if (item.type === "function_call_output") {
      messages.push({ role: "tool", content: textOf(item.output), resultOf: item.call_id });
    } else if (item.type === "function_call") {
      const { call_id: id, name } = item;
      const call = { id, name, arguments: toArguments(item.arguments) };
      const isContinued = last?.role === "assistant";
      if (isContinued) messages.pop();
      const own = isContinued ? last : { role: "assistant", content: "" };
      messages.push({ ...own, calls: [...own.calls ?? [], call] });
    } else {
      const role = item.role === "developer" ? "system" : item.role;
      messages.push({ role, content: textOf(item.content) });
    }
  }
  return messages;
}

function structureOf(body: Body): Structure {
  const choice = body.tool_choice;
  const asked = body.text?.format ?? { type: "text" as const };
  const structure = toStructure({
    tools: body.tools?.map(({ type, ...definition }) => ({ type, function: definition })),
    tool_choice: typeof choice === "object" && choice !== null
      ? { type: "function", function: { name: choice.name } }
      : choice,
    parallel_tool_calls: body.parallel_tool_calls,
    response_format: asked.type === "json_schema"
      ? { type: "json_schema", json_schema: asked }
      : asked,
  });
  const param = structure.param === "tools" ? "tools" : "text.format";
  return { ...structure, param };
}

/** @throws {ApiError} 400 for what needs answers to be kept, and for parts that no answer has. */
function refuseParts(parsed: Body): void {
  if (parsed.previous_response_id) {
    throw notSupported("previous_response_id", "answers are not kept");
  }
  if (parsed.background) throw notSupported("background", "answers are not kept");
  const at = (parsed.include ?? []).findIndex((part) => {
    return part !== LOGPROBS && part !== ENCRYPTED_REASONING;
  });
  if (at >= 0) throw notSupported(`include[${at}]`);
  const { summary } = parsed.reasoning ?? {};
  if (summary && summary !== "auto") throw notSupported("reasoning.summary");
  const { verbosity } = parsed.text ?? {};
  if (verbosity && verbosity !== "medium") throw notSupported("text.verbosity");
}

/** Alternatives to report with each token; null: no log-probabilities at all. */
function logprobsOf({ include, top_logprobs }: Body): number | null {
  return include?.includes(LOGPROBS) || top_logprobs ? top_logprobs ?? 0 : null;
}

/**
 * Checks a request.
 *
 * @throws {ApiError} 400 with `param` set to the field at fault.
 */
export function parseResponsesRequest(body: unknown): ResponsesRequest {
  const parsed = parseBody(responsesSchema, body);
  refuseParts(parsed);
  refuseUnsupported(body, HONOURED);
  const structure = structureOf(parsed);
  const { max_output_tokens } = parsed;
  const maxTokens = toTokenLimit({ max_output_tokens }, null);
  const effort = { reasoning_effort: parsed.reasoning?.effort ?? null };
  return {
    ...toCommonRequest(parsed),
    logprobs: logprobsOf(parsed),
    conversation: {
      messages: toMessages(parsed),
      toolUse: structure.toolUse,
      addGenerationPrompt: true,
      continuesFinal: false,
      variables: toVariables(effort, "reasoning.effort"),
    },
    maxTokens,
    promptCut: null,
    reasoningLimit: null,
    structure,
    echoed: {
      instructions: parsed.instructions ?? null,
      max_output_tokens: maxTokens,
      metadata: parsed.metadata ?? {},
      parallel_tool_calls: parsed.parallel_tool_calls ?? true,
      previous_response_id: null,
      store: false,
      temperature: parsed.temperature ?? 1,
      text: { format: parsed.text?.format ?? { type: "text" } },
      tool_choice: parsed.tool_choice ?? "auto",
      tools: (parsed.tools ?? []).map((tool) => ({
        ...tool,
        description: tool.description ?? null,
        parameters: tool.parameters ?? null,
        strict: tool.strict ?? false,
      })),
      top_p: parsed.top_p ?? 1,
      truncation: "disabled",
    },
  };
}
