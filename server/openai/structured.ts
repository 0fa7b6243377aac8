/**
 * What an answer must be, as `response_format`, `tools` and `tool_choice` say.
 *
 * @module
 */

import { z } from "zod";
import type { GrammarSpec } from "../../src/engine/types.ts";
import { ApiError } from "./errors.ts";

const nameSchema = z.string().regex(/^[\w.-]{1,64}$/, "expected 1 to 64 letters, digits, _ . -");
const jsonSchema = z.record(z.string(), z.unknown());

/** `response_format` as it comes; `schema` beside `json_object` is llama.cpp's. */
export const formatSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text") }),
  z.object({ type: z.literal("json_object"), schema: jsonSchema.nullish() }),
  z.object({
    type: z.literal("json_schema"),
    json_schema: z.object({
      name: nameSchema,
      description: z.string().nullish(),
      schema: jsonSchema.nullish(),
      strict: z.boolean().nullish(),
    }),
  }),
]);

/** Most tools of a request. */
export const TOOL_COUNT_MAX = 128;

/** `tools` as they come. */
export const toolsSchema = z.array(z.object({
  type: z.literal("function"),
  function: z.object({
    name: nameSchema,
    description: z.string().nullish(),
    parameters: jsonSchema.nullish(),
    strict: z.boolean().nullish(),
  }),
})).max(TOOL_COUNT_MAX);

/** `tool_choice` as it comes. */
export const toolChoiceSchema = z.union([
  z.enum(["none", "auto", "required"]),
  z.object({ type: z.literal("function"), function: z.object({ name: nameSchema }) }),
]);

/** A function the model may call. */
export interface Tool {
  name: string;
  description: string;
  /** JSON schema of its arguments. */
  parameters: Record<string, unknown>;
  /** Whether its arguments follow the schema exactly; otherwise they may be wider. */
  isStrict: boolean;
}

/** Functions the model may call, and whether it must. */
export interface ToolUse {
  /** All that the prompt describes to the model. */
  tools: readonly Tool[];
  /** Those it may call. */
  callable: readonly Tool[];
  /** Whether there is nothing in the answer but calls. */
  isRequired: boolean;
  isParallel: boolean;
}

/** What an answer must be. */
export interface Structure {
  /** The JSON that it must be unless it is calls; null for anything else. */
  format: Extract<GrammarSpec, { type: "json_schema" }> | null;
  /** The field the grammar comes from. */
  param: string;
  toolUse: ToolUse | null;
}

interface Body {
  response_format?: z.infer<typeof formatSchema> | null | undefined;
  tools?: z.infer<typeof toolsSchema> | null | undefined;
  tool_choice?: z.infer<typeof toolChoiceSchema> | null | undefined;
  parallel_tool_calls?: boolean | null | undefined;
}

function invalid(param: string, state: string): ApiError {
  return new ApiError(400, `Cannot accept ${param}: ${state}`, { param, code: "invalid_value" });
}

/**
 * The tools of a request; null if the prompt has none.
 *
 * @throws {ApiError} 400 if `tools` and `tool_choice` contradict each other.
 */
export function toToolUse(body: Body): ToolUse | null {
  const choice = body.tool_choice ?? "auto";
  const tools = (body.tools ?? []).map((
    { function: { name, description, parameters, strict } },
  ) => ({
    name,
    description: description ?? "",
    parameters: parameters ?? { type: "object", properties: {} },
    // Without parameters there are none, whatever else an object may have.
    isStrict: strict === true || !parameters,
  }));
  if (new Set(tools.map(({ name }) => name)).size < tools.length) {
    throw invalid("tools", "two have one name");
  }
  if (tools.length === 0) {
    if (choice === "none" || choice === "auto") return null;
    throw invalid("tool_choice", "there are no tools");
  }
  if (choice === "none") return null;
  const isParallel = body.parallel_tool_calls ?? true;
  if (typeof choice === "string") {
    return { tools, callable: tools, isRequired: choice === "required", isParallel };
  }
  const callable = tools.filter(({ name }) => name === choice.function.name);
  if (callable.length === 0) {
    throw invalid("tool_choice.function.name", `there is no tool "${choice.function.name}"`);
  }
  // One is named, so one call of it is wanted.
  return { tools, callable, isRequired: true, isParallel: false };
}

/** The schema of an answer, and the field it came from. */
function schemaOf(format: Exclude<z.infer<typeof formatSchema>, { type: "text" }>) {
  if (format.type === "json_schema") {
    const param = "response_format.json_schema.schema";
    return { schema: format.json_schema.schema ?? {}, param };
  }
  if (format.schema) return { schema: format.schema, param: "response_format.schema" };
  const schema = { type: "object", additionalProperties: true };
  return { schema, param: "response_format" };
}

/**
 * The structure a chat request asks for.
 *
 * @throws {ApiError} 400 if its parts contradict each other.
 */
export function toStructure(body: Body): Structure {
  const toolUse = toToolUse(body);
  const asked = body.response_format ?? { type: "text" };
  if (asked.type === "text") {
    return { format: null, param: toolUse ? "tools" : "response_format", toolUse };
  }
  const { schema, param } = schemaOf(asked);
  const format = { type: "json_schema" as const, schema: JSON.stringify(schema) };
  // A refusal names the tool if it is one's schema that cannot be followed.
  const isOfTools = toolUse?.callable.some(({ isStrict }) => isStrict) ?? false;
  return { format, param: isOfTools ? "tools" : param, toolUse };
}
