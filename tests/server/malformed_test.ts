import { assert, assertEquals } from "@std/assert";
import { tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";

const CHAT = "/v1/chat/completions";
const TEXT = "/v1/completions";
const messages = [{ role: "user", content: "hi" }];

interface Case {
  path: string;
  body: unknown;
  param: string | null;
  code: string;
}

const chat = (fields: object, param: string | null, code = "invalid_value"): Case => ({
  path: CHAT,
  body: { messages, ...fields },
  param,
  code,
});
const text = (fields: object, param: string | null, code = "invalid_value"): Case => ({
  path: TEXT,
  body: { prompt: "hi", ...fields },
  param,
  code,
});
const tool = { type: "function", function: { name: "f" } };
const image = { type: "image_url", image_url: { url: "data:" } };

const CASES: readonly Case[] = [
  { path: CHAT, body: "", param: null, code: "invalid_json" },
  { path: CHAT, body: "{", param: null, code: "invalid_json" },
  { path: TEXT, body: "hello", param: null, code: "invalid_json" },
  { path: CHAT, body: "[]", param: null, code: "invalid_type" },
  { path: CHAT, body: "null", param: null, code: "invalid_type" },
  { path: TEXT, body: "3", param: null, code: "invalid_type" },
  { path: CHAT, body: {}, param: "messages", code: "missing_required_parameter" },
  { path: TEXT, body: {}, param: "prompt", code: "missing_required_parameter" },
  chat({ messages: "hi" }, "messages", "invalid_type"),
  chat({ messages: [] }, "messages"),
  chat({ messages: ["hi"] }, "messages[0]", "invalid_type"),
  chat({ messages: [{ content: "x" }] }, "messages[0].role", "missing_required_parameter"),
  chat({ messages: [{ role: "king", content: "x" }] }, "messages[0].role"),
  chat({ messages: [{ role: "user" }] }, "messages[0].content", "missing_required_parameter"),
  chat({ messages: [{ role: "user", content: 3 }] }, "messages[0].content", "invalid_type"),
  chat({ messages: [{ role: "user", content: [] }] }, "messages[0].content"),
  chat(
    { messages: [...messages, { role: "user", content: [{ type: "text" }] }] },
    "messages[1].content[0].text",
    "missing_required_parameter",
  ),
  chat(
    { messages: [{ role: "user", content: [{ type: "text", text: 1 }] }] },
    "messages[0].content[0].text",
    "invalid_type",
  ),
  chat({ model: 1 }, "model", "invalid_type"),
  chat({ temperature: "0.5" }, "temperature", "invalid_type"),
  chat({ temperature: -0.1 }, "temperature"),
  chat({ temperature: 2.1 }, "temperature"),
  chat({ top_p: 1.5 }, "top_p"),
  chat({ top_p: true }, "top_p", "invalid_type"),
  chat({ top_k: -2 }, "top_k"),
  chat({ top_k: 1.5 }, "top_k", "invalid_type"),
  chat({ min_p: -1 }, "min_p"),
  chat({ seed: "1" }, "seed", "invalid_type"),
  chat({ seed: 1.5 }, "seed"),
  chat({ n: 0 }, "n"),
  chat({ n: 9 }, "n"),
  chat({ max_tokens: 0 }, "max_tokens"),
  chat({ max_tokens: "9" }, "max_tokens", "invalid_type"),
  chat({ max_completion_tokens: -2 }, "max_completion_tokens"),
  chat({ max_tokens: 4, n_predict: 5 }, "n_predict"),
  chat({ truncate_prompt_tokens: 0 }, "truncate_prompt_tokens"),
  chat({ repeat_penalty: 1.1, repetition_penalty: 1.2 }, "repeat_penalty"),
  chat({ stop: Array.from({ length: 33 }, (_, index) => `${index}`) }, "stop"),
  chat({ stop: 1 }, "stop", "invalid_type"),
  chat({ stop: ["a", 1] }, "stop[1]", "invalid_type"),
  chat({ ignore_eos: "yes" }, "ignore_eos", "invalid_type"),
  chat({ stream: "true" }, "stream", "invalid_type"),
  chat({ stream_options: { include_usage: true } }, "stream_options"),
  chat(
    { stream: true, stream_options: { include_usage: 1 } },
    "stream_options.include_usage",
    "invalid_type",
  ),
  chat({ frequency_penalty: 2.5 }, "frequency_penalty"),
  chat({ logit_bias: { "5": "a" } }, "logit_bias.5", "invalid_type"),
  chat({ top_logprobs: 21 }, "top_logprobs"),
  chat({ logprobs: 5 }, "logprobs", "invalid_type"),
  chat({ response_format: { type: "xml" } }, "response_format.type"),
  chat({ response_format: "text" }, "response_format", "invalid_type"),
  chat({ tools: [{ type: "function" }] }, "tools[0].function", "missing_required_parameter"),
  chat({ tools: [{ type: "magic", function: { name: "f" } }] }, "tools[0].type"),
  chat({ tools: [{ type: "function", function: { name: "a b" } }] }, "tools[0].function.name"),
  chat({ tools: [tool, tool] }, "tools"),
  chat({ tool_choice: "required" }, "tool_choice"),
  chat({ tool_choice: "some" }, "tool_choice"),
  chat(
    { tools: [tool], tool_choice: { type: "function", function: { name: "g" } } },
    "tool_choice.function.name",
  ),
  chat(
    { response_format: { type: "json_schema" } },
    "response_format.json_schema",
    "missing_required_parameter",
  ),
  text({ prompt: [] }, "prompt"),
  text({ prompt: null }, "prompt", "invalid_type"),
  text({ prompt: "" }, "prompt"),
  text({ prompt: [1, "a"] }, "prompt[1]", "invalid_type"),
  text({ prompt: [[]] }, "prompt[0]"),
  text({ prompt: [-1] }, "prompt[0]"),
  text({ prompt: [1.5] }, "prompt[0]", "invalid_type"),
  text({ prompt: [258] }, "prompt"),
  text({ max_tokens: -2 }, "max_tokens"),
  text({ echo: 1 }, "echo", "invalid_type"),
  text({ logprobs: 21 }, "logprobs"),
  chat({ top_logprobs: 2 }, "top_logprobs"),
  chat({ repetition_penalty: 0 }, "repetition_penalty"),
  chat({ presence_penalty: -2.1 }, "presence_penalty"),
  chat({ logit_bias: { "258": 1 } }, "logit_bias"),
  chat({ logit_bias: { "1e2": 1 } }, "logit_bias.1e2"),
  chat({ logit_bias: { "5": 101 } }, "logit_bias.5"),
  chat({ kv: { profile: "exact" } }, "kv.profile", "unsupported_value"),
  chat({ kv: { k_rel: 0.2 } }, "kv.k_rel", "unsupported_value"),
  chat({ kv: { k_step: 2.2 } }, "kv.k_step", "unsupported_value"),
  chat({ kv: { repack: "greedy" } }, "kv.repack", "unsupported_value"),
  chat({ kv: { repack: "best" } }, "kv.repack", "invalid_value"),
  chat({ kv: { pack_size: "16" } }, "kv.pack_size", "invalid_type"),
  chat({ priority: 101 }, "priority"),
  chat({ cache_salt: 5 }, "cache_salt", "invalid_type"),
  text({ logprobs: true }, "logprobs", "invalid_type"),
  text({ best_of: 0 }, "best_of"),
  ...[
    chat({ functions: [{ name: "f" }] }, "functions"),
    chat({ modalities: ["text", "audio"] }, "modalities"),
    chat({ grammar: "root ::= x" }, "grammar"),
    chat({ min_tokens: 4 }, "min_tokens"),
    chat({ messages: [{ role: "user", content: [image] }] }, "messages[0].content[0].type"),
    text({ suffix: "end" }, "suffix"),
    text({ best_of: 2 }, "best_of"),
  ].map((item) => ({ ...item, code: "unsupported_parameter" })),
];

for (const { path, body, param, code } of CASES) {
  const shown = JSON.stringify(body);
  Deno.test(`POST ${path} answers 400 ${code}, param ${param}, if given ${shown}`, async () => {
    const { post, engine } = harness(() => tokensOf("a"));
    const response = await post(path, body);
    assertEquals(response.status, 400);
    const { error } = await response.json();
    assertEquals({ param: error.param, code: error.code }, { param, code });
    assertEquals(error.type, "invalid_request_error");
    assert(error.message.startsWith("Cannot "), error.message);
    if (code === "unsupported_parameter") assert(error.message.includes("not supported yet"));
    assertEquals(engine.requests.length, 0);
  });
}

const PARTS: readonly [type: string, word: string][] = [
  ["image_url", "an image"],
  ["input_image", "an image"],
  ["input_audio", "audio"],
  ["video_url", "a video"],
  ["input_file", "a file"],
  ["refusal", '"refusal"'], // of chats: messages of /v1/responses have such parts
];
const RESPONSES = "/v1/responses";

for (const [type, word] of PARTS) {
  for (const path of [CHAT, "/apply-template", RESPONSES]) {
    if (type === "refusal" && path === RESPONSES) continue;
    Deno.test(`POST ${path} names ${word} if a part has type ${type}`, async () => {
      const { post } = harness(() => tokensOf("a"));
      const content = [{ type: path === RESPONSES ? "input_text" : "text", text: "see" }, { type }];
      const field = path === RESPONSES ? "input" : "messages";
      const response = await post(path, { [field]: [{ role: "user", content }] });
      assertEquals(response.status, 400);
      const { error } = await response.json();
      assertEquals(error.param, `${field}[0].content[1].type`);
      assert(error.message.includes(word) && error.message.includes("text"), error.message);
    });
  }
}

Deno.test("POST /v1/responses reads a part of type refusal, and names its text if it lacks", async () => {
  const { post } = harness(() => tokensOf("a"));
  const ask = (part: object) =>
    post(RESPONSES, {
      input: [{ role: "assistant", content: [part] }, { role: "user", content: "why" }],
    });
  assertEquals((await ask({ type: "refusal", refusal: "no" })).status, 200);
  const { error } = await (await ask({ type: "refusal" })).json();
  assertEquals(error.param, "input[0].content[0].refusal");
});
