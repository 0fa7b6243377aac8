/** Fields that requests of Anthropic's API may have. */

import { field, type KnownEndpoint, type KnownField, SCHEMA } from "./known_field.ts";

const CLAUDE_TOOL = { name: "f", input_schema: { type: "object", properties: {} } };

/** Of Anthropic's API, those of its client's beta included. */
const CLAUDE: readonly KnownField[] = [
  field("max_tokens", 1),
  field("stream", true, false),
  field("temperature", 0.5, 1),
  field("top_p", 0.5, 1),
  field("top_k", 5, 0),
  field("stop_sequences", ["k"], []),
  field("system", "x", ""),
  field("tools", [CLAUDE_TOOL], []),
  field("tools", [{ ...CLAUDE_TOOL, defer_loading: true }]),
  field("tools", [{ ...CLAUDE_TOOL, input_examples: [{ a: 1 }] }]),
  field("tools", [{ ...CLAUDE_TOOL, allowed_callers: ["code_execution_20250825"] }]),
  field("tool_choice", { type: "any" }, { type: "auto" }, { tools: [CLAUDE_TOOL] }),
  field("thinking", { type: "enabled", budget_tokens: 1024 }, { type: "disabled" }),
  field("output_config", { effort: "high" }, {}),
  field("output_config", { format: { type: "json_schema", schema: SCHEMA } }),
  field("output_format", { type: "json_schema", schema: SCHEMA }),
  field("context_management", { edits: [] }),
  field("diagnostics", { previous_message_id: "msg_1" }),
  field("speed", "fast", "standard"),
  field("mcp_servers", [{ name: "x" }], []),
  field("container", "x"),
  field("inference_geo", "eu"),
  field("fallbacks", [{ model: "x" }], []),
  field("fallback_credit_token", "x"),
  field("billing_policy", { type: "billing_policy" }),
  field("compaction", { type: "enabled" }),
  field("thread", { type: "create" }),
];

/** A message that is asked for. */
export const CLAUDE_ENDPOINT: KnownEndpoint = {
  path: "/v1/messages",
  base: { model: "fake", max_tokens: 100, messages: [{ role: "user", content: "hi" }] },
  fields: CLAUDE,
};
