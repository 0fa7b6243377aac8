/**
 * Requests of the SDKs have no field that is unknown here: these tables compile only while they
 * have every field of the types, and each stands in the tables of `known_fields.ts`, whose fields
 * have an effect, are refused by name, or are notes.
 */

import type Anthropic from "@anthropic-ai/sdk";
import { assertEquals } from "@std/assert";
import type OpenAI from "openai";
import { messagesSchema } from "../../server/anthropic/request.ts";
import { responsesSchema } from "../../server/openai/responses/request.ts";
import { WARNING_HEADER } from "../../server/warnings.ts";
import { tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";
import { KNOWN_ENDPOINTS } from "./known_fields.ts";
import { NOTES } from "./known_notes.ts";

type Fields<T> = Readonly<Record<keyof T & string, true>>;
type Beta = Anthropic.Beta.MessageCreateParams;

const CHAT: Fields<OpenAI.ChatCompletionCreateParams> = {
  messages: true,
  model: true,
  audio: true,
  frequency_penalty: true,
  function_call: true,
  functions: true,
  logit_bias: true,
  logprobs: true,
  max_completion_tokens: true,
  max_tokens: true,
  metadata: true,
  modalities: true,
  moderation: true,
  n: true,
  parallel_tool_calls: true,
  prediction: true,
  presence_penalty: true,
  prompt_cache_key: true,
  prompt_cache_options: true,
  prompt_cache_retention: true,
  reasoning_effort: true,
  response_format: true,
  safety_identifier: true,
  seed: true,
  service_tier: true,
  stop: true,
  store: true,
  stream: true,
  stream_options: true,
  temperature: true,
  tool_choice: true,
  tools: true,
  top_logprobs: true,
  top_p: true,
  user: true,
  verbosity: true,
  web_search_options: true,
};

const COMPLETION: Fields<OpenAI.CompletionCreateParams> = {
  model: true,
  prompt: true,
  best_of: true,
  echo: true,
  frequency_penalty: true,
  logit_bias: true,
  logprobs: true,
  max_tokens: true,
  n: true,
  presence_penalty: true,
  seed: true,
  stop: true,
  stream: true,
  stream_options: true,
  suffix: true,
  temperature: true,
  top_p: true,
  user: true,
};

const RESPONSE: Fields<OpenAI.Responses.ResponseCreateParams> = {
  access_programs: true,
  background: true,
  context_management: true,
  conversation: true,
  image: true,
  include: true,
  input: true,
  instructions: true,
  max_output_tokens: true,
  max_tool_calls: true,
  metadata: true,
  model: true,
  moderation: true,
  parallel_tool_calls: true,
  previous_response_id: true,
  prompt: true,
  prompt_cache_key: true,
  prompt_cache_options: true,
  prompt_cache_retention: true,
  reasoning: true,
  safety_identifier: true,
  service_tier: true,
  store: true,
  stream: true,
  stream_options: true,
  temperature: true,
  text: true,
  tool_choice: true,
  tools: true,
  top_logprobs: true,
  top_p: true,
  truncation: true,
  user: true,
};

const EMBEDDING: Fields<OpenAI.EmbeddingCreateParams> = {
  input: true,
  model: true,
  dimensions: true,
  encoding_format: true,
  user: true,
};

const MESSAGE: Fields<Anthropic.MessageCreateParams & Beta> = {
  max_tokens: true,
  messages: true,
  model: true,
  billing_policy: true,
  cache_control: true,
  compaction: true,
  container: true,
  context_management: true,
  diagnostics: true,
  fallback_credit_token: true,
  fallbacks: true,
  inference_geo: true,
  mcp_servers: true,
  metadata: true,
  output_config: true,
  output_format: true,
  service_tier: true,
  speed: true,
  stop_sequences: true,
  stream: true,
  system: true,
  thinking: true,
  thread: true,
  tool_choice: true,
  tools: true,
  betas: true,
  user_profile_id: true,
  workspace_id: true,
};

/** What becomes of answers afterwards is shown by `kept_responses_test.ts`. */
const SHOWN_ELSEWHERE = ["store"];

/** The client sends these as headers. */
const HEADERS = ["betas", "user_profile_id", "workspace_id"];

const TABLES: Readonly<Record<string, Readonly<Record<string, true>>>> = {
  "/v1/chat/completions": CHAT,
  "/v1/completions": COMPLETION,
  "/v1/responses": RESPONSE,
  "/v1/embeddings": EMBEDDING,
  "/v1/messages": MESSAGE,
};

for (const [path, table] of Object.entries(TABLES)) {
  Deno.test(`every field that an SDK's request to ${path} may have is known`, () => {
    const { base, fields } = KNOWN_ENDPOINTS.find((endpoint) => endpoint.path === path)!;
    const notes = NOTES.filter(({ paths }) => paths.includes(path));
    const known = [...Object.keys(base), ...[...fields, ...notes].map(({ name }) => name)];
    const unknown = Object.keys(table).filter((name) => {
      return ![...known, ...HEADERS, ...SHOWN_ELSEWHERE].includes(name);
    });
    assertEquals(unknown, []);
  });
}

const CLAUDE_TOOL: Fields<Anthropic.Tool> = {
  input_schema: true,
  name: true,
  allowed_callers: true,
  cache_control: true,
  defer_loading: true,
  description: true,
  eager_input_streaming: true,
  input_examples: true,
  strict: true,
  type: true,
};

const FUNCTION_TOOL: Fields<OpenAI.Responses.FunctionTool> = {
  name: true,
  parameters: true,
  strict: true,
  type: true,
  allowed_callers: true,
  async: true,
  defer_loading: true,
  description: true,
  output_schema: true,
};

const REASONING: Fields<OpenAI.Reasoning> = {
  context: true,
  effort: true,
  generate_summary: true,
  mode: true,
  summary: true,
};

const OUTPUT: Fields<Anthropic.OutputConfig> = { effort: true, format: true };
const TEXT: Fields<OpenAI.Responses.ResponseTextConfig> = { format: true, verbosity: true };

/** Bodies of items of an input, and what becomes of them if they are not read. */
const ITEMS: Readonly<
  Record<
    NonNullable<OpenAI.Responses.ResponseInputItem["type"]>,
    object | "left out" | "refused"
  >
> = {
  message: { role: "user", content: "x" },
  function_call: { call_id: "1", name: "f", arguments: "{}" },
  function_call_output: { call_id: "1", output: "x" },
  custom_tool_call: { call_id: "1", name: "f", input: "x" },
  custom_tool_call_output: { call_id: "1", output: "x" },
  reasoning: { summary: [] },
  additional_tools: "refused",
  apply_patch_call: "left out",
  apply_patch_call_output: "left out",
  code_interpreter_call: "left out",
  compaction: "left out",
  compaction_trigger: "refused",
  computer_call: "left out",
  computer_call_output: "left out",
  configuration_update: "refused",
  file_search_call: "left out",
  image_generation_call: "left out",
  item_reference: "refused",
  local_shell_call: "left out",
  local_shell_call_output: "left out",
  mcp_approval_request: "left out",
  mcp_approval_response: "left out",
  mcp_call: "left out",
  mcp_list_tools: "left out",
  program: "left out",
  program_output: "left out",
  shell_call: "left out",
  shell_call_output: "left out",
  tool_search_call: "left out",
  tool_search_output: "left out",
  web_search_call: "left out",
};

Deno.test("every item that an SDK's input may have is read, left out with a warning, or refused by name", async () => {
  const { post } = harness(() => tokensOf("ok"), { info: { contextLength: 1000 } });
  for (const [type, given] of Object.entries(ITEMS)) {
    const item = typeof given === "string" ? { type } : { type, ...given };
    const response = await post("/v1/responses", { input: [{ role: "user", content: "x" }, item] });
    const { error } = await response.json();
    assertEquals(response.status, given === "refused" ? 400 : 200, `${type}: ${error?.message}`);
    const warning = response.headers.get(WARNING_HEADER) ?? "";
    assertEquals(warning.includes(`items of type ${type} are left out`), given === "left out");
    if (given === "refused") assertEquals(error.param, "input[1]");
  }
});

/** True of what is so anyway: arguments are streamed as they come, and prefixes are always kept. */
const SO_ANYWAY = ["eager_input_streaming", "cache_control"];

Deno.test("every member of tools, reasoning and formats of the SDKs' requests is read or warned of", () => {
  const { tools, output_config } = messagesSchema.shape;
  const { reasoning, text, tools: functions } = responsesSchema.shape;
  const shapes: [table: object, shape: object][] = [
    [CLAUDE_TOOL, tools.unwrap().unwrap().element.shape],
    [FUNCTION_TOOL, functions.unwrap().unwrap().element.options[0].shape],
    [REASONING, reasoning.unwrap().unwrap().shape],
    [OUTPUT, output_config.unwrap().unwrap().shape],
    [TEXT, text.unwrap().unwrap().shape],
  ];
  for (const [table, shape] of shapes) {
    const names = Object.keys(table).filter((name) => !SO_ANYWAY.includes(name));
    assertEquals(names.filter((name) => !Object.hasOwn(shape, name)), []);
  }
});
