/**
 * The body of POST /v1/responses.
 *
 * @module
 */

import { z } from "zod";
import { TOP_LOGPROB_COUNT_MAX } from "../../../src/core/sampling.ts";
import type { ConversationRequest } from "../conversation_specs.ts";
import { parseBody } from "../parse_body.ts";
import { commonFields, toCommonRequest } from "../schema_common.ts";
import { tokenLimit, toTokenLimit } from "../schema_lengths.ts";
import { toVariables } from "../schema_messages.ts";
import { type Structure, TOOL_COUNT_MAX, toStructure } from "../structured.ts";
import { hintFields, notSupported, refuseUnsupported, unusedHints } from "../unsupported.ts";
import { inputSchema, toMessages } from "./input.ts";
import type { KeptResponses } from "./kept.ts";
import { joinedName, type PlacedName } from "./namespaces.ts";

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

const functionTool = z.object({
  type: z.literal("function"),
  name: z.string().regex(/^[\w.-]{1,64}$/),
  description: z.string().nullish(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
  ...hintFields("tool"),
});

/** Functions under one name: those that clients have from servers of MCP. */
const namespaceTool = z.object({
  type: z.literal("namespace"),
  name: z.string(),
  description: z.string().nullish(),
  tools: z.array(z.union([functionTool, z.looseObject({ type: z.string() })])),
});

/** Tools that run on other servers, or whose calls are no JSON: they are left out. */
const foreignTool = z.looseObject({
  type: z.string().refine((type) => type !== "function" && type !== "namespace"),
  name: z.string().nullish(),
});

/** A choice of one tool, or of some. */
const choiceSchema = z.object({
  type: z.string(),
  name: z.string().nullish(),
  namespace: z.string().nullish(),
  mode: z.enum(["auto", "required"]).nullish(),
  tools: z.array(
    z.looseObject({
      type: z.string(),
      name: z.string().nullish(),
      namespace: z.string().nullish(),
    }),
  ).nullish(),
});

const {
  n: _,
  stream_options: __,
  return_progress: ___,
  return_token_ids: ____,
  return_tokens_as_token_ids: _____,
  ...sampling
} = commonFields;

/** The one part of an answer that has to be asked for. */
const LOGPROBS = "message.output_text.logprobs";
/** Thoughts for the client to send back. */
const ENCRYPTED_REASONING = "reasoning.encrypted_content";

/** A request as it comes. */
export const responsesSchema = z.object({
  ...sampling,
  input: inputSchema,
  instructions: z.string().nullish(),
  max_output_tokens: tokenLimit()
    .refine((value) => value !== 0, "expected 1 or more, or -1 for no limit").nullish(),
  include: z.array(z.string()).nullish(),
  top_logprobs: z.number().int().min(0).max(TOP_LOGPROB_COUNT_MAX).nullish(),
  reasoning: z.object({
    effort: z.string().nullish(),
    ...hintFields("reasoning"),
  }).nullish(),
  tools: z.array(z.union([functionTool, namespaceTool, foreignTool])).max(TOOL_COUNT_MAX).nullish(),
  tool_choice: z.union([z.enum(["none", "auto", "required"]), choiceSchema]).nullish(),
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
  /** What clients call the functions of namespaces, by their names for the model. */
  places: ReadonlyMap<string, PlacedName>;
  /** Whether the answer is kept. */
  isKept: boolean;
  /** Whether thoughts come sealed too, for the client to send back. */
  sealsThoughts: boolean;
  /** What is left out of it, in words for the caller. */
  warnings: readonly string[];
}

type Choice = z.infer<typeof choiceSchema>;

type FunctionTool = z.infer<typeof functionTool>;

function isFunction(tool: { type: string }): tool is FunctionTool {
  return tool.type === "function";
}

/** The functions of a request, those of namespaces under their joined names, and their places. */
function functionsOf(
  tools: NonNullable<Body["tools"]>,
  warnings: string[],
): { functions: FunctionTool[]; places: Map<string, PlacedName> } {
  const places = new Map<string, PlacedName>();
  const functions = tools.flatMap((tool): FunctionTool[] => {
    if (isFunction(tool)) {
      warnings.push(...unusedHints("tool", tool, `tools.${tool.name}`));
      return [tool];
    }
    if (tool.type !== "namespace") {
      warnings.push(`tools of type ${tool.type} are left out`);
      return [];
    }
    const { name: namespace, tools: members } = tool as z.infer<typeof namespaceTool>;
    return members.flatMap((member) => {
      if (!isFunction(member)) {
        warnings.push(`tools of type ${member.type} are left out`);
        return [];
      }
      const name = joinedName(namespace, member.name);
      places.set(name, { namespace, name: member.name });
      warnings.push(...unusedHints("tool", member, `tools.${name}`));
      return [{ ...member, name }];
    });
  });
  return { functions, places };
}

/** @throws {ApiError} 400 for a tool that must be called and that nobody runs here. */
function toChoice(choice: Choice, param: string): Parameters<typeof toStructure>[0]["tool_choice"] {
  if (choice.type === "function") {
    const name = joinedName(choice.namespace, choice.name ?? "");
    return { type: "function", function: { name } };
  }
  if (choice.type === "allowed_tools") return choice.mode ?? "auto";
  throw notSupported(param, `tools of type ${JSON.stringify(choice.type)} do not run here`);
}

/** The same, with no more tools to call than are allowed. */
function restricted(structure: Structure, choice: Choice): Structure {
  const { toolUse } = structure;
  if (choice.type !== "allowed_tools" || toolUse === null) return structure;
  const names = (choice.tools ?? []).map(({ name, namespace }) =>
    joinedName(namespace, name ?? "")
  );
  const callable = toolUse.callable.filter(({ name }) => names.includes(name));
  if (callable.length === 0) throw notSupported("tool_choice.tools", "none of them runs here");
  return { ...structure, toolUse: { ...toolUse, callable } };
}

function structureOf(body: Body, functions: readonly FunctionTool[]): Structure {
  const choice = body.tool_choice ?? "auto";
  const asked = body.text?.format ?? { type: "text" as const };
  const structure = toStructure({
    tools: functions.map(({ type, ...definition }) => {
      return { type, function: definition };
    }),
    tool_choice: typeof choice === "object" ? toChoice(choice, "tool_choice") : choice,
    parallel_tool_calls: body.parallel_tool_calls,
    response_format: asked.type === "json_schema"
      ? { type: "json_schema", json_schema: asked }
      : asked,
  });
  const param = structure.param === "tools" ? "tools" : "text.format";
  const named = { ...structure, param };
  return typeof choice === "object" ? restricted(named, choice) : named;
}

/** @throws {ApiError} 400 for parts that no answer has, and for what would run without a client. */
function checkParts(parsed: Body, warnings: string[]): void {
  if (parsed.background) throw notSupported("background", "an answer ends with its request");
  const at = (parsed.include ?? []).findIndex((part) => {
    return part !== LOGPROBS && part !== ENCRYPTED_REASONING;
  });
  if (at >= 0) throw notSupported(`include[${at}]`);
  warnings.push(...unusedHints("reasoning", parsed.reasoning ?? {}, "reasoning"));
  const { verbosity } = parsed.text ?? {};
  if (verbosity && verbosity !== "medium") warnings.push("text.verbosity has no effect");
}

/** Alternatives to report with each token; null: no log-probabilities at all. */
function logprobsOf({ include, top_logprobs }: Body): number | null {
  return include?.includes(LOGPROBS) || top_logprobs ? top_logprobs ?? 0 : null;
}

/** What the answer repeats of the request. */
function echoOf(parsed: Body, maxTokens: number | null, isKept: boolean): Record<string, unknown> {
  return {
    instructions: parsed.instructions ?? null,
    max_output_tokens: maxTokens,
    metadata: parsed.metadata ?? {},
    parallel_tool_calls: parsed.parallel_tool_calls ?? true,
    previous_response_id: parsed.previous_response_id || null,
    store: isKept,
    temperature: parsed.temperature ?? 1,
    text: { format: parsed.text?.format ?? { type: "text" } },
    tool_choice: parsed.tool_choice ?? "auto",
    tools: (parsed.tools ?? []).map((tool) =>
      isFunction(tool)
        ? {
          ...tool,
          description: tool.description ?? null,
          parameters: tool.parameters ?? null,
          strict: tool.strict ?? false,
        }
        : tool
    ),
    top_p: parsed.top_p ?? 1,
    truncation: "disabled",
    access_programs: null,
    background: false,
    prompt_cache_key: parsed.prompt_cache_key ?? null,
    // Thoughts are never summed up.
    reasoning: { effort: parsed.reasoning?.effort ?? null, summary: null },
    service_tier: "default",
    top_logprobs: parsed.top_logprobs ?? 0,
  };
}

/**
 * Checks a request.
 *
 * @param kept Earlier answers.
 * @throws {ApiError} 400 with `param` set to the field at fault.
 */
export function parseResponsesRequest(body: unknown, kept: KeptResponses): ResponsesRequest {
  const parsed = parseBody(responsesSchema, body);
  const warnings: string[] = [];
  checkParts(parsed, warnings);
  refuseUnsupported(body, HONOURED);
  const { functions, places } = functionsOf(parsed.tools ?? [], warnings);
  const structure = structureOf(parsed, functions);
  const { max_output_tokens, instructions, previous_response_id: previousId } = parsed;
  const maxTokens = toTokenLimit({ max_output_tokens }, null);
  const isKept = parsed.store ?? true;
  const effort = { reasoning_effort: parsed.reasoning?.effort ?? null };
  const before = previousId ? kept.get(previousId, "previous_response_id").messages : [];
  return {
    ...toCommonRequest(parsed),
    logprobs: logprobsOf(parsed),
    conversation: {
      messages: [
        ...(instructions ? [{ role: "system", content: instructions }] : []),
        ...before,
        ...toMessages(parsed.input, warnings),
      ],
      toolUse: structure.toolUse,
      addGenerationPrompt: true,
      continuesFinal: false,
      variables: [],
      hints: toVariables(effort, "reasoning.effort"),
    },
    maxTokens,
    promptCut: null,
    reasoningLimit: null,
    structure,
    echoed: echoOf(parsed, maxTokens, isKept),
    places,
    isKept,
    sealsThoughts: parsed.include?.includes(ENCRYPTED_REASONING) ?? false,
    warnings,
  };
}
