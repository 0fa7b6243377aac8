/**
 * The body of POST /v1/messages and /v1/messages/count_tokens.
 *
 * @module
 */

import { z } from "zod";
import type { TemplateVariable } from "../openai/chat_prompt.ts";
import type { ConversationRequest } from "../openai/conversation_specs.ts";
import { ApiError } from "../openai/errors.ts";
import { parseBody } from "../openai/parse_body.ts";
import { STOP_COUNT_MAX, toCommonRequest } from "../openai/schema_common.ts";
import { type Structure, TOOL_COUNT_MAX, toStructure } from "../openai/structured.ts";
import { hintFields, notSupported, refuseUnsupported, unusedHints } from "../openai/unsupported.ts";
import { messageSchema, systemSchema, toMessages } from "./messages.ts";

/** A function of the client's, or a tool of some other kind. */
const toolSchema = z.object({
  type: z.string().nullish(),
  name: z.string().nullish(),
  description: z.string().nullish(),
  input_schema: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
  ...hintFields("tool"),
});

const toolChoiceSchema = z.object({
  type: z.enum(["auto", "any", "tool", "none"]),
  name: z.string().nullish(),
  disable_parallel_tool_use: z.boolean().nullish(),
});

const formatSchema = z.object({
  type: z.literal("json_schema"),
  schema: z.record(z.string(), z.unknown()),
});

/** What both endpoints read. */
const promptFields = {
  model: z.string(),
  messages: z.array(messageSchema).min(1),
  system: systemSchema.nullish(),
  tools: z.array(toolSchema).max(TOOL_COUNT_MAX).nullish(),
  tool_choice: toolChoiceSchema.nullish(),
  thinking: z.object({
    type: z.enum(["enabled", "disabled", "adaptive", "between_tools"]),
    budget_tokens: z.number().int().min(1).nullish(),
    display: z.string().nullish(),
  }).nullish(),
  output_config: z.object({ effort: z.string().nullish(), format: formatSchema.nullish() })
    .nullish(),
  output_format: formatSchema.nullish(),
  cache_control: z.unknown().optional(),
  context_management: z.unknown().optional(),
  diagnostics: z.unknown().optional(),
  fallback_credit_token: z.unknown().optional(),
  billing_policy: z.unknown().optional(),
  speed: z.enum(["standard", "fast"]).nullish(),
};

/** A message that is asked for. */
export const messagesSchema = z.object({
  ...promptFields,
  max_tokens: z.number().int().min(1),
  stop_sequences: z.array(z.string()).max(STOP_COUNT_MAX).nullish(),
  stream: z.boolean().nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.number().int().min(0).nullish(),
  metadata: z.object({ user_id: z.string().nullish() }).nullish(),
  service_tier: z.enum(["auto", "standard_only"]).nullish(),
});

/** A prompt that is to be counted. */
export const countSchema = z.object(promptFields);

type PromptBody = z.infer<typeof countSchema>;

/** A request, checked. */
export interface MessagesRequest extends ConversationRequest {
  /** What is left out of it, in words for the caller. */
  warnings: readonly string[];
}

/** Fields of this interface that are refused unless they are empty. */
/** What changes no text: of bills, of what is kept, and of what an answer reports. */
const WITHOUT_EFFECT = [
  "context_management",
  "diagnostics",
  "fallback_credit_token",
  "billing_policy",
] as const;

const REFUSED = [
  "mcp_servers",
  "container",
  "inference_geo",
  "fallbacks",
  "compaction",
  "thread",
];

function refuseFields(body: unknown, honoured: readonly string[]): void {
  refuseUnsupported(body, honoured);
  for (const name of REFUSED) {
    const value = (body as Record<string, unknown>)[name];
    const isEmpty = value === undefined || value === null ||
      (Array.isArray(value) && value.length === 0);
    if (!isEmpty) throw notSupported(name);
  }
}

type ToolBody = NonNullable<PromptBody["tools"]>[number];

/** A function's definition, as OpenAI has it; null for a tool that runs elsewhere. */
function toFunction(tool: ToolBody, at: string) {
  if (tool.type && tool.type !== "custom") return null;
  if (!tool.name || !/^[\w.-]{1,128}$/.test(tool.name)) {
    const message = `Cannot accept ${at}.name: expected 1 to 128 letters, digits, _ . -`;
    throw new ApiError(400, message, { param: `${at}.name`, code: "invalid_value" });
  }
  const { name, description, input_schema: parameters, strict } = tool;
  return { type: "function" as const, function: { name, description, parameters, strict } };
}

function choiceOf({ tool_choice: choice }: PromptBody) {
  switch (choice?.type) {
    case "any":
      return "required" as const;
    case "tool":
      return { type: "function" as const, function: { name: choice.name ?? "" } };
    case "none":
      return "none" as const;
    default:
      return "auto" as const;
  }
}

function structureOf(body: PromptBody, warnings: string[]): Structure {
  const functions = (body.tools ?? []).map((tool, index) => {
    const made = toFunction(tool, `tools[${index}]`);
    if (made === null) warnings.push(`tools[${index}] of type ${tool.type} is left out`);
    else warnings.push(...unusedHints("tool", tool, `tools[${index}]`));
    return made;
  }).filter((tool) => tool !== null);
  const format = body.output_config?.format ?? body.output_format;
  return toStructure({
    tools: functions,
    tool_choice: choiceOf(body),
    parallel_tool_calls: !(body.tool_choice?.disable_parallel_tool_use ?? false),
    response_format: format
      ? { type: "json_schema", json_schema: { name: "answer", schema: format.schema } }
      : null,
  });
}

/** Hints: what the template does not read has no effect, which is said. */
function hintsOf({ thinking, output_config }: PromptBody): TemplateVariable[] {
  const effort = output_config?.effort;
  const type = thinking?.type ?? "disabled";
  return [
    ...(type === "adaptive" || type === "between_tools"
      ? []
      : [{ param: "thinking", name: "enable_thinking", value: type === "enabled" }]),
    ...(effort ? [{ param: "output_config.effort", name: "reasoning_effort", value: effort }] : []),
  ];
}

function toRequest(
  body: PromptBody,
  rest: Pick<ConversationRequest, "maxTokens"> & Parameters<typeof toCommonRequest>[0],
): MessagesRequest {
  const warnings: string[] = [];
  for (const name of WITHOUT_EFFECT) {
    if (body[name]) warnings.push(`${name} has no effect`);
  }
  if (body.speed === "fast") warnings.push("speed has no effect: there is one");
  const structure = structureOf(body, warnings);
  const { messages, continuesFinal } = toMessages(body);
  const { maxTokens, ...common } = rest;
  const { budget_tokens: budget, type } = body.thinking ?? {};
  const limited = type === "enabled" && budget ? { tokenCountMax: budget, param: null } : null;
  return {
    ...toCommonRequest(common),
    logprobs: null,
    conversation: {
      messages,
      toolUse: structure.toolUse,
      addGenerationPrompt: !continuesFinal,
      continuesFinal,
      variables: [],
      hints: hintsOf(body),
    },
    maxTokens,
    // Clients ask for as much as their own models may say.
    isLimitOnly: true,
    promptCut: null,
    reasoningLimit: limited,
    structure,
    warnings,
  };
}

/**
 * Checks a request for a message.
 *
 * @throws {ApiError} 400 naming the field at fault.
 */
export function parseMessagesRequest(body: unknown): MessagesRequest {
  const parsed = parseBody(messagesSchema, body);
  refuseFields(body, Object.keys(messagesSchema.shape));
  const { model, stream, temperature, top_p, top_k, stop_sequences: stop } = parsed;
  const common = { model, stream, temperature, top_p, top_k, stop };
  return toRequest(parsed, { ...common, maxTokens: parsed.max_tokens });
}

/**
 * Checks a request to count.
 *
 * @throws {ApiError} 400 naming the field at fault.
 */
export function parseCountRequest(body: unknown): MessagesRequest {
  const parsed = parseBody(countSchema, body);
  // Clients send the whole request that they are about to make.
  refuseFields(body, Object.keys(messagesSchema.shape));
  return toRequest(parsed, { model: parsed.model, maxTokens: null });
}
