/**
 * Fields that requests of OpenAI's, vLLM's, llama.cpp's and Ollama's APIs may have, each with a
 * value that asks for something and, where there is one, a value that asks for nothing.
 */

/** One field of one endpoint. */
export interface KnownField {
  name: string;
  /** Asks for something. */
  value: unknown;
  /** Asks for nothing; left out if every value asks for something. */
  neutral?: unknown;
  /** Fields without which `value` means nothing. */
  beside?: Readonly<Record<string, unknown>>;
}

const field = (
  name: string,
  value: unknown,
  neutral?: unknown,
  beside?: KnownField["beside"],
): KnownField => ({
  name,
  value,
  ...(neutral === undefined ? {} : { neutral }),
  ...(beside === undefined ? {} : { beside }),
});

const FUNCTION = { name: "f", parameters: { type: "object", properties: {} } };
const TOOLS = [{ type: "function", function: FUNCTION }];
const SCHEMA = { type: "object", properties: { a: { type: "null" } } };
const JSON_FORMAT = { type: "json_schema", json_schema: { name: "x", schema: SCHEMA } };

/** What changes how tokens are chosen, by all four APIs. */
const SAMPLING: readonly KnownField[] = [
  field("temperature", 0.5, 1),
  field("top_p", 0.5, 1),
  field("frequency_penalty", 1, 0),
  field("presence_penalty", 1, 0),
  field("logit_bias", { "65": 5 }, {}),
  field("seed", 7),
  // vLLM.
  field("top_k", 5, 0),
  field("min_p", 0.1, 0),
  field("repetition_penalty", 1.1, 1),
  field("ignore_eos", true, false),
  field("use_beam_search", true, false),
  field("length_penalty", 0.5, 1),
  field("early_stopping", true, false),
  field("stop_token_ids", [5], []),
  field("min_tokens", 3, 0),
  field("allowed_token_ids", [5], []),
  field("bad_words", ["a"], []),
  field("logits_processors", ["x"], []),
  field("structured_outputs", { regex: "a" }, {}),
  field("structural_tag", "x", ""),
  field("guided_json", SCHEMA, ""),
  field("guided_regex", "a", ""),
  field("guided_choice", ["a"], []),
  field("guided_grammar", "root ::= x", ""),
  field("guided_decoding_backend", "xgrammar", ""),
  field("guided_whitespace_pattern", " ", ""),
  field("repetition_detection", { min: 3 }, {}),
  field("watermarking", true, false),
  field("thinking_token_budget", 5, -1),
  field("vllm_xargs", { a: 1 }, {}),
  field("kv_transfer_params", { a: 1 }, {}),
  field("ec_transfer_params", { a: 1 }, {}),
  field("priority", 3, 0),
  field("cache_salt", "x", ""),
  // llama.cpp.
  field("repeat_penalty", 1.1, 1),
  field("repeat_last_n", 32, -1, { repeat_penalty: 1.1 }),
  field("repeat_last_n", 0, undefined, { frequency_penalty: 1 }),
  field("repeat_last_n", 64, undefined, { presence_penalty: 1 }),
  field("penalize_nl", false, true, { repeat_penalty: 1.1 }),
  field("penalty_prompt", "x", ""),
  field("dynatemp_range", 0.5, 0),
  field("dynatemp_exponent", 2, undefined, { dynatemp_range: 0.5 }),
  field("typical_p", 0.5, 1),
  field("typ_p", 0.5, 1),
  field("tfs_z", 0.5, 1),
  field("top_n_sigma", 1, -1),
  field("min_keep", 2, 0),
  field("n_indent", 2, 0),
  field("mirostat", 2, 0),
  field("mirostat_tau", 4, undefined, { mirostat: 2 }),
  field("mirostat_eta", 0.2, undefined, { mirostat: 2 }),
  field("dry_multiplier", 0.8, 0),
  field("dry_base", 2, undefined, { dry_multiplier: 0.8 }),
  field("dry_allowed_length", 3, undefined, { dry_multiplier: 0.8 }),
  field("dry_penalty_last_n", 9, undefined, { dry_multiplier: 0.8 }),
  field("dry_sequence_breakers", ["a"], undefined, { dry_multiplier: 0.8 }),
  field("xtc_probability", 0.5, 0),
  field("xtc_threshold", 0.3, undefined, { xtc_probability: 0.5 }),
  field("adaptive_target", 0.5, -1),
  field("adaptive_decay", 0.5, undefined, { adaptive_target: 0.5 }),
  field("samplers", ["top_k"], []),
  field("backend_sampling", true, false),
  field("grammar", "root ::= x", ""),
  field("grammar_lazy", true, false),
  field("grammar_triggers", [{ type: 1 }], []),
  field("preserved_tokens", [5], []),
  field("json_schema", SCHEMA, {}),
  field("t_max_predict_ms", 5, 0),
  field("t_max_prompt_ms", 5, -1),
  field("reasoning_budget", 5, -1),
  field("reasoning_budget_tokens", 5, -1),
  field("thinking_budget_tokens", 5, -1),
  field("thinking_forced_open", true, false),
  field("lora", [{ id: 0, scale: 1 }], []),
  field("id_slot", 1, -1),
  field("slot_id", 1, -1),
  field("cache_prompt", false, true),
  field("n_cache_reuse", 64, 0),
  field("n_discard", 5, 0),
  field("n_cmpl", 2, 1),
  field("speculative.n_max", 5, 0),
  field("speculative.n_min", 5, 0),
  field("speculative.p_min", 0.5, 0),
  // Ollama.
  field("options", { num_ctx: 5 }, {}),
  field("num_ctx", 4096),
  field("num_predict", 5, -1),
  field("format", "json", ""),
  field("keep_alive", 0, "5m"),
  field("think", true),
  field("system", "x", ""),
  field("template", "x", ""),
  field("raw", true, false),
  field("context", [5], []),
  field("images", ["x"], []),
];

/** What changes the answer's form or way. */
const ANSWER: readonly KnownField[] = [
  field("stream", true, false),
  field("service_tier", "flex", "auto"),
  field("prompt_cache_retention", "24h", "in_memory"),
  field("request_id", "mine"),
  field("skip_special_tokens", false, true),
  field("stop", "k", ["", ""]),
  field("include_stop_str_in_output", true, false, { stop: "k" }),
  field("prompt_logprobs", 1),
  field("logprob_token_ids", [5], []),
  field("return_tokens_as_token_ids", true, false),
  field("return_token_ids", true, false),
  field("return_token_offsets", true, false),
  field("return_prompt_text", true, false),
  field("routed_experts_prompt_start", 1, 0),
  field("include_reasoning", false, true),
  field("truncation_side", "right", "left"),
  field("mm_processor_kwargs", { a: 1 }, {}),
  field("media_io_kwargs", { a: {} }, {}),
  field("prompt_embeds", "x", ""),
  field("n_probs", 3, 0),
  field("post_sampling_probs", true, false),
  field("return_tokens", true, false),
  field("response_fields", ["content"], []),
  field("timings_per_token", true, false),
  field("sse_ping_interval", 3),
  field("reasoning_format", "deepseek", "none"),
  field("reasoning_in_content", true, false),
  field("parse_tool_calls", false, true),
  field("generation_prompt", "x", ""),
  field("system_prompt", "x", ""),
  field("input_prefix", "x", ""),
  field("input_suffix", "x", ""),
  field("input_extra", [{ filename: "x" }], []),
  field("image_data", [{ id: 1 }], []),
  field("multimodal_data", ["x"], []),
  field("kv", { profile: "exact" }, {}),
  field("model", "other", "fake"),
];

/** Fields of the two kinds of completion alone. */
const COMPLETIONS: readonly KnownField[] = [
  field("n", 2, 1),
  field("response_format", JSON_FORMAT, { type: "text" }),
  field("response_format", { type: "json_object", schema: SCHEMA }),
  field("response_format", { type: "json_object" }),
  field("stream_options", { include_usage: true }, {}, { stream: true }),
  field("stream_options", { continuous_usage_stats: true }, undefined, { stream: true }),
  field("stream_options", { include_obfuscation: true }, undefined, { stream: true }),
  field("return_progress", true, false, { stream: true }),
  field("truncate_prompt_tokens", 1),
  field("input", "x", ""),
  field("instructions", "x", ""),
  field("max_output_tokens", 5, -1),
  field("previous_response_id", "resp_1", ""),
  field("conversation", "conv_1", ""),
  field("include", ["x"], []),
  field("background", true, false),
  field("truncation", "auto", "disabled"),
  field("text", { verbosity: "low" }, { format: { type: "text" } }),
  field("content", "x", ""),
];

const CHAT: readonly KnownField[] = [
  ...COMPLETIONS,
  field("max_tokens", 1, -1),
  field("max_completion_tokens", 1, -1),
  field("n_predict", 1, -1),
  field("store", true, false),
  field("logprobs", true, false),
  field("top_logprobs", 2, 0, { logprobs: true }),
  field("tools", TOOLS, []),
  field("tool_choice", "required", "auto", { tools: TOOLS }),
  field("parallel_tool_calls", false, true, { tools: TOOLS }),
  field("functions", [FUNCTION], []),
  field("function_call", { name: "f" }, "none"),
  field("modalities", ["text", "audio"], ["text"]),
  field("audio", { voice: "x" }),
  field("prediction", { type: "content", content: "x" }),
  field("reasoning_effort", "high", "none"),
  field("verbosity", "low", "medium"),
  field("web_search_options", {}),
  field("moderation", { model: "x" }, {}),
  field("add_generation_prompt", false, true),
  field("continue_final_message", true, false),
  field("add_special_tokens", true, false),
  field("echo", true, false),
  field("documents", [{ text: "x" }], []),
  field("chat_template", "x", ""),
  field("chat_template_kwargs", { enable_thinking: true }, { enable_thinking: false }),
  field("prompt", "x", ""),
  field("reasoning", { effort: "high" }, { effort: "none" }),
];

const COMPLETION: readonly KnownField[] = [
  ...COMPLETIONS,
  // No limit is not what is meant by none: that is 16.
  field("max_tokens", -1),
  field("max_completion_tokens", 1),
  field("n_predict", 1),
  field("store", true, false),
  field("logprobs", 1),
  field("top_logprobs", 2, 0),
  field("echo", true, false),
  field("suffix", "x", ""),
  field("best_of", 2, 1),
  field("add_special_tokens", false, true),
  field("messages", [{ role: "user", content: "x" }], []),
  field("tools", TOOLS, []),
  field("tool_choice", "required", "auto"),
  field("parallel_tool_calls", false, true),
  field("reasoning_effort", "high", "none"),
  field("reasoning", { effort: "high" }, {}),
  field("add_generation_prompt", false, true),
  field("continue_final_message", true, false),
  field("chat_template", "x", ""),
  field("chat_template_kwargs", { a: 1 }, {}),
  field("documents", [{ text: "x" }], []),
];

const RESPONSES: readonly KnownField[] = [
  field("instructions", "x"),
  field("max_output_tokens", 1, -1),
  field("max_tokens", 5, -1),
  field("max_completion_tokens", 5, -1),
  field("n_predict", 5, -1),
  field("n", 2, 1),
  field("response_format", JSON_FORMAT, { type: "text" }),
  field("text", { format: { type: "json_object" } }, { format: { type: "text" } }),
  field("text", { verbosity: "low" }, { verbosity: "medium" }),
  field("tools", [{ type: "function", ...FUNCTION }], []),
  field("tool_choice", "required", "auto", { tools: [{ type: "function", ...FUNCTION }] }),
  field("parallel_tool_calls", false, true, { tools: [{ type: "function", ...FUNCTION }] }),
  field("previous_response_id", "resp_1", ""),
  field("previous_input_messages", [{ role: "user" }], []),
  field("enable_response_messages", true, false),
  field("conversation", "conv_1", ""),
  field("background", true, false),
  field("include", ["message.output_text.logprobs"], []),
  field("include", ["file_search_call.results"], ["reasoning.encrypted_content"]),
  field("top_logprobs", 2, 0),
  field("logprobs", true, false),
  field("truncation", "auto", "disabled"),
  field("truncate_prompt_tokens", 5),
  field("reasoning", { effort: "high" }, { effort: "none" }),
  field("reasoning", { summary: "detailed" }, { summary: "auto" }),
  field("reasoning_effort", "high", "none"),
  field("context_management", [{ type: "compaction" }], []),
  field("prompt", { id: "x" }, ""),
  field("messages", [{ role: "user", content: "x" }], []),
  field("stream_options", { include_obfuscation: true }, {}, { stream: true }),
  field("return_progress", true, false, { stream: true }),
  field("functions", [FUNCTION], []),
  field("chat_template", "x", ""),
  field("chat_template_kwargs", { a: 1 }, {}),
  field("add_generation_prompt", false, true),
];

const CONVERSATION: readonly KnownField[] = [
  field("model", "other", "fake"),
  field("tools", TOOLS, []),
  field("tool_choice", "none", "auto", { tools: TOOLS }),
  field("add_generation_prompt", false, true),
  field("continue_final_message", true, false),
  field("chat_template", "x", ""),
  field("chat_template_kwargs", { enable_thinking: true }, {}),
  field("reasoning_effort", "high", "none"),
  field("documents", [{ text: "x" }], []),
  field("add_special_tokens", true, false),
  field("mm_processor_kwargs", { a: 1 }, {}),
  field("media_io_kwargs", { a: {} }, {}),
  field("functions", [FUNCTION], []),
  field("truncate_prompt_tokens", 2),
];

/** An endpoint with the fields it may be sent. */
export interface KnownEndpoint {
  path: string;
  base: Readonly<Record<string, unknown>>;
  fields: readonly KnownField[];
}

const MESSAGES = [{ role: "user", content: "hi" }];

/** All endpoints that take a body of OpenAI's, vLLM's or llama.cpp's. */
export const KNOWN_ENDPOINTS: readonly KnownEndpoint[] = [
  {
    path: "/v1/chat/completions",
    base: { messages: MESSAGES, seed: 1 },
    fields: [...SAMPLING, ...ANSWER, ...CHAT],
  },
  {
    path: "/v1/completions",
    base: { prompt: "hi", seed: 1 },
    fields: [...SAMPLING, ...ANSWER, ...COMPLETION],
  },
  {
    path: "/v1/responses",
    base: { input: "hi", seed: 1 },
    fields: [...SAMPLING, ...ANSWER, ...RESPONSES],
  },
  {
    path: "/tokenize",
    base: { messages: MESSAGES },
    fields: [
      ...CONVERSATION,
      field("with_pieces", true, false),
      field("return_token_strs", true, false),
      field("add_special", true, false),
      field("parse_special", false, true),
    ],
  },
  {
    path: "/tokenize",
    base: { content: "hi<|c|>" },
    fields: [
      field("model", "other", "fake"),
      field("add_special", true, false),
      field("add_special_tokens", true, false),
      field("parse_special", false, true),
      field("with_pieces", true, false),
      field("return_token_strs", true, false),
      field("prompt", "other"),
      field("messages", MESSAGES),
      field("tools", TOOLS, []),
      field("add_generation_prompt", false, true),
      field("chat_template_kwargs", { a: 1 }, {}),
    ],
  },
  {
    path: "/detokenize",
    base: { tokens: [65] },
    fields: [field("model", "other", "fake")],
  },
  { path: "/apply-template", base: { messages: MESSAGES }, fields: CONVERSATION },
];

/** Fields without any effect that ask for none: notes of the caller, and what is so anyway. */
export const NOTES: readonly { name: string; value: unknown; paths: readonly string[] }[] = [
  { name: "user", value: "me" },
  { name: "safety_identifier", value: "me" },
  { name: "prompt_cache_key", value: "me" },
  { name: "session_id", value: "me" },
  { name: "n_keep", value: 5 },
  { name: "max_tool_calls", value: 5 },
  { name: "return_mm_kwargs", value: true },
  { name: "spaces_between_special_tokens", value: false },
  { name: "nobody_knows_this", value: { a: 1 } },
].map((note) => {
  return { ...note, paths: ["/v1/chat/completions", "/v1/completions", "/v1/responses"] };
});
