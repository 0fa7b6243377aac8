/** Fields of requests that have no effect and need none. */

interface Note {
  name: string;
  value: unknown;
  paths: readonly string[];
}

/** Fields without any effect that ask for none: notes of the caller, and what is so anyway. */
export const NOTES: readonly Note[] = [
  { name: "user", value: "me" },
  { name: "safety_identifier", value: "me" },
  { name: "prompt_cache_key", value: "me" },
  { name: "session_id", value: "me" },
  { name: "n_keep", value: 5 },
  { name: "max_tool_calls", value: 5 },
  { name: "prompt_cache_retention", value: "24h" },
  { name: "prompt_cache_options", value: { mode: "explicit" } },
  { name: "access_programs", value: { cyber: "standard" } },
  { name: "return_mm_kwargs", value: true },
  { name: "spaces_between_special_tokens", value: false },
  { name: "nobody_knows_this", value: { a: 1 } },
].map((note): Note => {
  return { ...note, paths: ["/v1/chat/completions", "/v1/completions", "/v1/responses"] };
}).concat([
  { name: "metadata", value: { a: "b" }, paths: ["/v1/chat/completions", "/v1/responses"] },
  { name: "user", value: "me", paths: ["/v1/embeddings"] },
  // Whatever is asked to be kept is kept anyway, and there is one tier.
  { name: "cache_control", value: { type: "ephemeral" }, paths: ["/v1/messages"] },
  { name: "metadata", value: { user_id: "me" }, paths: ["/v1/messages"] },
  { name: "service_tier", value: "standard_only", paths: ["/v1/messages"] },
]);
