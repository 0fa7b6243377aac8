/**
 * Fields of OpenAI's, vLLM's, llama.cpp's and Ollama's APIs that an endpoint does not honour:
 * refused by name, never ignored, unless their value changes nothing.
 *
 * @module
 */

import { z } from "zod";
import { ApiError } from "./errors.ts";

type Body = Readonly<Record<string, unknown>>;
/** Whether a value asks for nothing. */
type IsNeutral = (value: unknown, body: Body) => boolean;

const never: IsNeutral = () => false;
const always: IsNeutral = () => true;
const isEmpty: IsNeutral = (value) =>
  value === "" || value === false ||
  (typeof value === "object" && value !== null && Object.keys(value).length === 0);
const oneOf = (...neutral: unknown[]): IsNeutral => (value) => neutral.includes(value);
/** Numbers up to a limit switch something off. */
const upTo = (limit: number): IsNeutral => (value) => typeof value === "number" && value <= limit;
/** A setting of something that is off unless `field` has a value above 0. */
const whileOff = (field: string): IsNeutral => (_, body) =>
  !(typeof body[field] === "number" && body[field] > 0);
/** An object of which no member asks for anything. */
const allOf = (isNeutral: IsNeutral): IsNeutral => (value, body) =>
  typeof value === "object" && value !== null &&
  Object.values(value).every((member) => member === null || isNeutral(member, body));

const PENALTIES: Readonly<Record<string, number>> = {
  repetition_penalty: 1,
  repeat_penalty: 1,
  frequency_penalty: 0,
  presence_penalty: 0,
};
const isUnpenalised = (body: Body) =>
  Object.entries(PENALTIES).every(([name, none]) => (body[name] ?? none) === none);

const isPlainFormat = allOf(oneOf("text"));

/** Fields that change the prompt. */
const OF_PROMPT: Readonly<Record<string, IsNeutral>> = {
  // Of other endpoints.
  messages: isEmpty,
  prompt: isEmpty,
  input: isEmpty,
  instructions: isEmpty,
  content: isEmpty,
  conversation: isEmpty,
  previous_response_id: isEmpty,
  previous_input_messages: isEmpty,
  tools: isEmpty,
  tool_choice: oneOf("none", "auto"),
  add_generation_prompt: oneOf(true),
  continue_final_message: oneOf(false),
  chat_template_kwargs: isEmpty,
  documents: isEmpty,
  reasoning_effort: oneOf("none"),
  truncate_prompt_tokens: never,
  truncation: oneOf("disabled"),
  add_special_tokens: oneOf(false),
  add_special: oneOf(false),
  parse_special: oneOf(true),
  echo: oneOf(false),
  // OpenAI.
  functions: isEmpty,
  function_call: oneOf("none", "auto"),
  context_management: isEmpty,
  reasoning: allOf(oneOf("none", false)),
  // vLLM.
  chat_template: isEmpty,
  mm_processor_kwargs: isEmpty,
  media_io_kwargs: isEmpty,
  truncation_side: oneOf("left"),
  prompt_embeds: isEmpty,
  return_token_offsets: oneOf(false),
  return_mm_kwargs: always,
  // llama.cpp.
  generation_prompt: isEmpty,
  system_prompt: isEmpty,
  input_prefix: isEmpty,
  input_suffix: isEmpty,
  input_extra: isEmpty,
  image_data: isEmpty,
  multimodal_data: isEmpty,
  // Nothing of a prompt is ever shifted out.
  n_keep: always,
  n_discard: oneOf(0),
  // Ollama.
  system: isEmpty,
  template: isEmpty,
  raw: oneOf(false),
  context: isEmpty,
  images: isEmpty,
  think: never,
};

/** Fields that change which tokens come. */
const OF_SAMPLING: Readonly<Record<string, IsNeutral>> = {
  stop: isEmpty,
  n: oneOf(1),
  best_of: oneOf(1),
  max_tokens: oneOf(-1),
  max_completion_tokens: oneOf(-1),
  max_output_tokens: oneOf(-1),
  n_predict: oneOf(-1),
  suffix: isEmpty,
  prediction: never,
  response_format: isPlainFormat,
  text: allOf((member) => oneOf("medium")(member, {}) || isPlainFormat(member, {})),
  parallel_tool_calls: oneOf(true),
  // vLLM.
  grammar: isEmpty,
  structured_outputs: isEmpty,
  structural_tag: isEmpty,
  guided_json: isEmpty,
  guided_regex: isEmpty,
  guided_choice: isEmpty,
  guided_grammar: isEmpty,
  guided_decoding_backend: isEmpty,
  guided_whitespace_pattern: isEmpty,
  min_tokens: oneOf(0),
  stop_token_ids: isEmpty,
  bad_words: isEmpty,
  allowed_token_ids: isEmpty,
  use_beam_search: oneOf(false),
  length_penalty: oneOf(1),
  early_stopping: oneOf(false),
  logits_processors: isEmpty,
  vllm_xargs: isEmpty,
  repetition_detection: isEmpty,
  watermarking: oneOf(false),
  thinking_token_budget: upTo(-1),
  kv_transfer_params: isEmpty,
  ec_transfer_params: isEmpty,
  // llama.cpp.
  json_schema: isEmpty,
  grammar_lazy: oneOf(false),
  grammar_triggers: isEmpty,
  preserved_tokens: isEmpty,
  typical_p: oneOf(1),
  typ_p: oneOf(1),
  tfs_z: oneOf(1),
  top_n_sigma: upTo(0),
  dynatemp_range: oneOf(0),
  dynatemp_exponent: whileOff("dynatemp_range"),
  min_keep: upTo(1),
  n_indent: oneOf(0),
  mirostat: oneOf(0),
  mirostat_tau: whileOff("mirostat"),
  mirostat_eta: whileOff("mirostat"),
  dry_multiplier: oneOf(0),
  dry_base: whileOff("dry_multiplier"),
  dry_allowed_length: whileOff("dry_multiplier"),
  dry_penalty_last_n: whileOff("dry_multiplier"),
  dry_sequence_breakers: whileOff("dry_multiplier"),
  xtc_probability: oneOf(0),
  xtc_threshold: whileOff("xtc_probability"),
  adaptive_target: upTo(-1e-9),
  adaptive_decay: whileOff("adaptive_target"),
  // Penalties look at the whole prompt and answer, line feeds included.
  repeat_last_n: (value, body) => value === -1 || isUnpenalised(body),
  penalize_nl: (value, body) => value === true || isUnpenalised(body),
  penalty_prompt: isEmpty,
  samplers: isEmpty,
  backend_sampling: oneOf(false),
  t_max_predict_ms: upTo(0),
  t_max_prompt_ms: upTo(0),
  reasoning_budget: upTo(-1),
  reasoning_budget_tokens: upTo(-1),
  thinking_budget_tokens: upTo(-1),
  thinking_forced_open: oneOf(false),
  lora: isEmpty,
  id_slot: upTo(-1),
  slot_id: upTo(-1),
  n_cache_reuse: oneOf(0),
  "speculative.n_max": oneOf(0),
  "speculative.n_min": oneOf(0),
  "speculative.p_min": oneOf(0),
  n_cmpl: oneOf(1),
  // Ollama.
  format: isEmpty,
  options: isEmpty,
  num_ctx: never,
  num_predict: oneOf(-1),
  // The model always stays loaded.
  keep_alive: (value) => value !== 0 && value !== "0",
};

/** Fields that change what is answered, or what becomes of it. */
const OF_ANSWER: Readonly<Record<string, IsNeutral>> = {
  stream_options: allOf(oneOf(false)),
  return_progress: oneOf(false),
  logprobs: oneOf(false),
  top_logprobs: oneOf(0),
  include: isEmpty,
  // OpenAI.
  modalities: (value) => Array.isArray(value) && value.every((item) => item === "text"),
  audio: never,
  web_search_options: never,
  verbosity: oneOf("medium"),
  service_tier: oneOf("auto", "default"),
  // What is cached, where a prefix may begin and how long it stays is not the caller's to say, and
  // changes no text; nor do programs of a vendor.
  prompt_cache_retention: always,
  prompt_cache_options: always,
  access_programs: always,
  image: isEmpty,
  store: oneOf(false),
  background: oneOf(false),
  // Only tools of the server's own count, and it has none.
  max_tool_calls: always,
  moderation: isEmpty,
  // vLLM.
  prompt_logprobs: never,
  logprob_token_ids: isEmpty,
  return_tokens_as_token_ids: oneOf(false),
  return_token_ids: oneOf(false),
  return_prompt_text: oneOf(false),
  routed_experts_prompt_start: oneOf(0),
  enable_response_messages: oneOf(false),
  include_reasoning: oneOf(true),
  // Nothing is put between special tokens, whatever is wanted.
  spaces_between_special_tokens: oneOf(true, false),
  // llama.cpp.
  n_probs: oneOf(0),
  post_sampling_probs: oneOf(false),
  return_tokens: oneOf(false),
  response_fields: isEmpty,
  timings_per_token: oneOf(false),
  sse_ping_interval: never,
  reasoning_format: oneOf("none", "auto"),
  reasoning_in_content: oneOf(false),
  parse_tool_calls: oneOf(true),
};

/**
 * Refuses a body that asks for what an endpoint cannot do.
 *
 * @param body The request, its honoured fields already of the right type.
 * @param honoured Names of the fields that the endpoint honours.
 * @param part All fields, or those of prompts alone for an endpoint that generates nothing.
 * @throws {ApiError} 400, code `unsupported_parameter`, `param` naming the field.
 */
export function refuseUnsupported(
  body: unknown,
  honoured: readonly string[],
  part: "all" | "prompt" = "all",
): void {
  const fields = body as Body;
  const known = part === "all" ? { ...OF_PROMPT, ...OF_SAMPLING, ...OF_ANSWER } : OF_PROMPT;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null || honoured.includes(name)) continue;
    if (!Object.hasOwn(known, name) || known[name](value, fields)) continue;
    throw notSupported(name);
  }
}

/** Members of functions that other servers act on, and the values that ask for nothing. */
const TOOL_HINTS: Readonly<Record<string, IsNeutral>> = {
  allowed_callers: (value) => Array.isArray(value) && value.every((each) => each === "direct"),
  async: oneOf(false),
  defer_loading: oneOf(false),
  input_examples: isEmpty,
  output_schema: isEmpty,
};

/** The same of `reasoning` in /v1/responses. */
const REASONING_HINTS: Readonly<Record<string, IsNeutral>> = {
  context: oneOf("auto"),
  mode: oneOf("standard"),
  generate_summary: oneOf("auto"),
  summary: oneOf("auto"),
};

const HINTS = { tool: TOOL_HINTS, reasoning: REASONING_HINTS };

/** Names of hints, so that schemas let them through. */
export function hintFields(of: keyof typeof HINTS): Record<string, z.ZodOptional<z.ZodUnknown>> {
  return Object.fromEntries(Object.keys(HINTS[of]).map((name) => [name, z.unknown().optional()]));
}

/** What is asked of this server by hints that it does not take, in words for the caller. */
export function unusedHints(of: keyof typeof HINTS, value: object, at: string): string[] {
  const members = value as Body;
  return Object.entries(HINTS[of]).flatMap(([name, isNeutral]) => {
    const asked = members[name] ?? null;
    return asked === null || isNeutral(asked, members) ? [] : [`${at}.${name} has no effect`];
  });
}

/** The refusal of one field. */
export function notSupported(param: string, state = "it is not supported yet"): ApiError {
  const message = `Cannot honour ${param}: ${state}`;
  return new ApiError(400, message, { param, code: "unsupported_parameter" });
}
