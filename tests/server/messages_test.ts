/** Anthropic's protocol, over real sockets, with its own client. */

import Anthropic from "@anthropic-ai/sdk";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { ChatTemplate } from "../../src/tokenizer/types.ts";
import { FAKE_TEMPLATE, FAKE_TOKENIZER, tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";
import { withFakeServer, withTinyServer } from "./socket_servers.ts";

const ROOM = { info: { contextLength: 6000 } };
const PATH = "/v1/messages";
const messages = [{ role: "user" as const, content: "hi" }];
const base = { model: "fake", max_tokens: 100, messages };
const weather = {
  name: "get_weather",
  description: "Weather of a city",
  input_schema: { type: "object" as const, properties: { city: { type: "string" } } },
};
const CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>';

/** A template with thoughts that a prompt begins if they are switched on. */
const THINKING: ChatTemplate = {
  source: "<think></think>",
  reads: (name) => name === "enable_thinking",
  render(list, options) {
    const { text } = FAKE_TEMPLATE.render(list, options);
    const prompt = text + (options.variables?.enable_thinking ? "<think>\n" : "");
    return { ids: FAKE_TOKENIZER.tokenize(prompt, { parseSpecial: false }), text: prompt };
  },
};

const clientOf = (baseURL: string) =>
  new Anthropic({ baseURL, apiKey: "none", maxRetries: 0, dangerouslyAllowBrowser: true });

Deno.test("Anthropic's client reads a message, whole and streamed", () =>
  withFakeServer(() => tokensOf("Hello."), async ({ url }) => {
    const client = clientOf(url);
    const whole = await client.messages.create(base);
    assertEquals(whole.content, [{ type: "text", text: "Hello.", citations: null }]);
    assertEquals([whole.stop_reason, whole.stop_sequence, whole.role], [
      "end_turn",
      null,
      "assistant",
    ]);
    const stream = client.messages.stream(base);
    const texts: string[] = [];
    stream.on("text", (text) => texts.push(text));
    // The client adds a member of its own.
    const { parsed_output: _, ...streamed } = await stream.finalMessage();
    assertEquals(texts.join(""), "Hello.");
    assert(texts.length > 3, "text comes as it is made");
    assertEquals({ ...streamed, id: "" }, { ...whole, id: "" });
  }, ROOM));

Deno.test("Anthropic's client reads calls, and its answer to them reaches the prompt", () =>
  withFakeServer(() => tokensOf(`Let me see.\n${CALL}`), async ({ url, engine }) => {
    const client = clientOf(url);
    const asked = { ...base, tools: [weather] };
    const whole = await client.messages.create(asked);
    assertEquals(whole.stop_reason, "tool_use");
    const [text, call] = whole.content;
    assertEquals(text, { type: "text", text: "Let me see.\n", citations: null });
    assert(call.type === "tool_use");
    assertEquals([call.name, call.input], ["get_weather", { city: "Rome" }]);
    const streamed = await client.messages.stream(asked).finalMessage();
    assert(streamed.content[1].type === "tool_use");
    assertEquals(streamed.content[1].input, { city: "Rome" });
    await client.messages.create({
      ...asked,
      messages: [...messages, { role: "assistant", content: whole.content }, {
        role: "user",
        content: [
          { type: "text", text: "Well?" },
          { type: "tool_result", tool_use_id: call.id, content: [{ type: "text", text: "rain" }] },
        ],
      }],
    });
    const prompt = FAKE_TOKENIZER.detokenize(engine.requests.at(-1)!.promptIds);
    assert(
      prompt.endsWith(
        `[user]hi[assistant]Let me see.\n\n${CALL.replace('"city": "Rome"', '"city":"Rome"')}` +
          "[user]<tool_response>\nrain\n</tool_response>[user]Well?[assistant]",
      ),
      prompt,
    );
  }, ROOM));

Deno.test("thinking switches thoughts on, limits them, and comes as blocks", () =>
  withFakeServer(
    (request, index) =>
      tokensOf(
        !FAKE_TOKENIZER.detokenize(request.promptIds).includes("<think>")
          ? "No thoughts."
          : index > 3
          ? "Yes."
          : "Hm.\n</think>\n\nYes.",
      ),
    async ({ url }) => {
      const client = clientOf(url);
      const asked = { ...base, max_tokens: 2000 };
      const off = await client.messages.create(asked);
      assertEquals(off.content.map(({ type }) => type), ["text"]);
      const thinking = { type: "enabled" as const, budget_tokens: 1024 };
      const whole = await client.messages.create({ ...asked, thinking });
      const stream = await client.messages.stream({ ...asked, thinking }).finalMessage();
      for (const { content } of [whole, stream]) {
        assert(content[0].type === "thinking" && content[1].type === "text");
        assertEquals([content[0].thinking, content[1].text], ["Hm.", "Yes."]);
        assert(content[0].signature !== "");
      }
      // A limit of three tokens: the model goes on behind the mark.
      const short = { type: "enabled" as const, budget_tokens: 3 };
      const { content } = await client.messages.create({ ...asked, thinking: short });
      assert(content[0].type === "thinking");
      assertEquals(content[0].thinking, "Hm.");
    },
    { info: { contextLength: 6000 }, model: { chatTemplate: THINKING } },
  ));

Deno.test("stop reasons are those of the protocol", async () => {
  const reasonOf = async (fields: object, contextLength = 6000) => {
    const { post } = harness(() => tokensOf("one two"), { info: { contextLength } });
    const { stop_reason, stop_sequence } = await (await post(PATH, { ...base, ...fields })).json();
    return [stop_reason, stop_sequence];
  };
  assertEquals(await reasonOf({}), ["end_turn", null]);
  assertEquals(await reasonOf({ max_tokens: 3 }), ["max_tokens", null]);
  assertEquals(await reasonOf({ stop_sequences: ["x", "two"] }), ["stop_sequence", "two"]);
  assertEquals(await reasonOf({ max_tokens: 3 }, 22), ["model_context_window_exceeded", null]);
  // What clients ask for by default is often more than the whole context.
  assertEquals(await reasonOf({ max_tokens: 64_000 }), ["end_turn", null]);
  assertEquals(await reasonOf({ max_tokens: 64_000 }, 22), ["model_context_window_exceeded", null]);
});

Deno.test("tokens of a prompt are read from the cache, kept in it, or neither", async () => {
  const { post, engine } = harness(() => tokensOf("ok"), ROOM);
  const content = "x".repeat(200);
  const usageOf = async () => {
    const body = { ...base, messages: [{ role: "user", content }] };
    const { usage } = await (await post(PATH, body)).json();
    const { input_tokens, cache_creation_input_tokens, cache_read_input_tokens } = usage;
    return [input_tokens, cache_creation_input_tokens, cache_read_input_tokens];
  };
  // The fake's template adds 17 characters.
  assertEquals(await usageOf(), [25, 192, 0]);
  engine.cachedTokenCount = 128;
  assertEquals(await usageOf(), [25, 64, 128]);
});

Deno.test("what an engine keeps of a prompt is what it reads the next time, at most", () =>
  withTinyServer({}, async ({ post }) => {
    const content = "hello world ".repeat(120);
    const body = { model: "tiny", max_tokens: 2, messages: [{ role: "user", content }] };
    const first = (await (await post(PATH, body)).json()).usage;
    const second = (await (await post(PATH, body)).json()).usage;
    assertEquals(first.cache_read_input_tokens, 0);
    assert(second.cache_read_input_tokens > 0);
    assert(second.cache_read_input_tokens <= first.cache_creation_input_tokens);
    const totalOf = (usage: Record<string, number>) =>
      usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens;
    assertEquals(totalOf(first), totalOf(second));
    const { messages: list } = body;
    const counted = await (await post(`${PATH}/count_tokens`, { model: "tiny", messages: list }))
      .json();
    assertEquals(counted, { input_tokens: totalOf(first) });
  }));

Deno.test("a quiet stream gets ping events", async () => {
  const { post } = harness(() => [{ waitMs: 60 }, ...tokensOf("ok")], {
    app: { limits: { pingIntervalMs: 10 } },
  });
  const text = await (await post(PATH, { ...base, stream: true })).text();
  assertMatch(text, /event: ping\ndata: \{"type":"ping"\}\n\n/);
  assertEquals(
    [...text.matchAll(/^event: (.*)$/gm)].map(([, name]) => name).filter((name) => name !== "ping"),
    [
      "message_start",
      "content_block_start",
      "content_block_delta",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ],
  );
});

Deno.test("Anthropic's client lists the model, with its context", () =>
  withFakeServer(() => [], async ({ url }) => {
    const client = clientOf(url);
    const { data } = await client.models.list();
    assertEquals(data.map(({ id, type }) => [id, type]), [["fake", "model"]]);
    assertEquals((await client.models.retrieve("fake")).max_input_tokens, 6000);
  }, ROOM));

const REFUSED: [fields: Record<string, unknown>, status: number, type: string, says: string][] = [
  [{ model: "other" }, 404, "not_found_error", "other"],
  [{ max_tokens: undefined }, 400, "invalid_request_error", "max_tokens is missing"],
  [{ messages: [] }, 400, "invalid_request_error", "messages"],
  [
    { messages: [{ role: "user", content: [{ type: "image", source: {} }] }] },
    400,
    "invalid_request_error",
    "an image",
  ],
  [
    { messages: [{ role: "user", content: [{ type: "document", source: {} }] }] },
    400,
    "invalid_request_error",
    '"document"',
  ],
  [
    {
      messages: [{
        role: "user",
        content: [{ type: "tool_result", tool_use_id: "1", content: [{ type: "image" }] }],
      }],
    },
    400,
    "invalid_request_error",
    "messages[0].content[0].content[0].type",
  ],
  [{ mcp_servers: [{ name: "x" }] }, 400, "invalid_request_error", "mcp_servers"],
  [{ tool_choice: { type: "any" } }, 400, "invalid_request_error", "no tools"],
  [
    { messages: [{ role: "user", content: "x".repeat(7000) }] },
    400,
    "invalid_request_error",
    "prompt is too long: 7017 tokens > 6000 maximum",
  ],
  [ // so long that it is refused before it is read
    { messages: [{ role: "user", content: "x".repeat(1_000_000) }] },
    400,
    "invalid_request_error",
    " tokens > 6000 maximum",
  ],
];

for (const [fields, status, type, says] of REFUSED) {
  Deno.test(`POST /v1/messages refuses ${JSON.stringify(fields).slice(0, 60)} as ${type}`, async () => {
    const { post } = harness(() => tokensOf("ok"), ROOM);
    const response = await post(PATH, { ...base, ...fields });
    const body = await response.json();
    assertEquals([response.status, body.type, body.error.type], [status, "error", type]);
    assert(body.error.message.includes(says), body.error.message);
    assertEquals(response.headers.get("request-id"), body.request_id);
  });
}

Deno.test("x-api-key is a key, and a wrong one is an authentication_error", async () => {
  const { app } = harness(() => tokensOf("ok"), { app: { apiKeys: ["secret"] } });
  const ask = (headers: Record<string, string>) =>
    app.request(PATH, { method: "POST", body: JSON.stringify(base), headers });
  assertEquals((await ask({ "x-api-key": "secret" })).status, 200);
  assertEquals((await ask({ Authorization: "Bearer secret" })).status, 200);
  for (const headers of [{}, { "x-api-key": "guess" }]) {
    const response = await ask(headers as Record<string, string>);
    assertEquals([response.status, (await response.json()).error.type], [
      401,
      "authentication_error",
    ]);
  }
});

Deno.test("a version of the protocol that is not known is refused", async () => {
  const { post } = harness(() => tokensOf("ok"));
  const known = await post(PATH, base, { "anthropic-version": "2023-06-01" });
  assertEquals(known.status, 200);
  await known.body?.cancel();
  const unknown = await post(PATH, base, { "anthropic-version": "2999-01-01" });
  assertEquals(unknown.status, 400);
  assertMatch((await unknown.json()).error.message, /anthropic-version/);
});

Deno.test("Anthropic's client throws what ends a stream after it began", () =>
  withFakeServer(
    () => [...tokensOf("so"), new Error("lost")],
    async ({ url }) => {
      const client = clientOf(url);
      const error = await assertRejects(() => client.messages.stream(base).finalMessage());
      assertMatch(String(error), /internal error/);
    },
    ROOM,
  ));

/** As Claude Code 2 sends it: system in blocks, marks for caches, tools of both kinds. */
const CLAUDE_CODE = {
  model: "fake",
  max_tokens: 1000,
  stream: true,
  system: [
    { type: "text", text: "x-anthropic-billing-header: cc_version=2.1; cc_entrypoint=cli;" },
    { type: "text", text: "You are Claude Code.", cache_control: { type: "ephemeral" } },
    { type: "text", text: "Be brief.", cache_control: { type: "ephemeral", ttl: "1h" } },
  ],
  messages: [
    {
      role: "user",
      content: [
        {
          type: "text",
          text: "<system-reminder>\nToday's date is 2026-11-29.\n</system-reminder>",
        },
        { type: "text", text: "list files", cache_control: { type: "ephemeral" } },
      ],
    },
    {
      role: "assistant",
      content: [
        { type: "thinking", thinking: "ls will do", signature: "unsigned" },
        { type: "text", text: "I list them." },
        { type: "tool_use", id: "toolu_01", name: "Bash", input: { command: "ls" } },
      ],
    },
    {
      role: "user",
      content: [
        {
          tool_use_id: "toolu_01",
          type: "tool_result",
          content: "a.txt",
          is_error: false,
          cache_control: { type: "ephemeral" },
        },
      ],
    },
  ],
  tools: [
    {
      name: "Bash",
      description: "Runs a command",
      input_schema: {
        $schema: "https://json-schema.org/draft/2020-12/schema",
        type: "object",
        properties: { command: { type: "string" }, timeout: { type: "number" } },
        required: ["command"],
        additionalProperties: false,
      },
    },
    { type: "web_search_20250305", name: "web_search", max_uses: 8 },
  ],
  metadata: { user_id: "user_0_account__session_1" },
  thinking: { type: "enabled", budget_tokens: 900 },
  context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
  output_config: { effort: "high" },
  temperature: 1,
};

Deno.test("a request of Claude Code is answered, and says what it leaves out", () =>
  withFakeServer(() => tokensOf("There is a.txt."), async ({ url, engine }) => {
    const response = await fetch(`${url}${PATH}?beta=true`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-api-key": "none",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14",
      },
      body: JSON.stringify(CLAUDE_CODE),
    });
    assertEquals(response.status, 200);
    assertMatch(await response.text(), /event: message_stop/);
    const warning = response.headers.get("X-PackKV-Warning") ?? "";
    for (const part of ["tools[1]", "web_search_20250305", "context_management", "effort"]) {
      assert(warning.includes(part), warning);
    }
    const prompt = FAKE_TOKENIZER.detokenize(engine.requests[0].promptIds);
    assertMatch(prompt, /^\[system\].*You are Claude Code\.\nBe brief\.\n\n.*"name":"Bash"/s);
    assert(!prompt.includes("web_search"), prompt);
    assertMatch(prompt, /\[user\]<tool_response>\na\.txt\n<\/tool_response>\[assistant\]$/);
    const counted = await fetch(`${url}${PATH}/count_tokens?beta=true`, {
      method: "POST",
      body: JSON.stringify({ ...CLAUDE_CODE, max_tokens: undefined, stream: undefined }),
    });
    assertEquals(await counted.json(), { input_tokens: prompt.length });
  }, ROOM));

Deno.test("a last message of the assistant is continued", async () => {
  const { post, engine } = harness(() => tokensOf(" is"), {
    model: {
      chatTemplate: {
        ...FAKE_TEMPLATE,
        render: (list, options) => {
          const text = `${JSON.stringify(list)}${options.continuesFinal}`;
          return { ids: FAKE_TOKENIZER.tokenize(text, { parseSpecial: false }), text };
        },
      },
    },
  });
  const prefilled = [...messages, { role: "assistant", content: "It" }];
  const { content } = await (await post(PATH, { ...base, messages: prefilled })).json();
  assertEquals(content[0].text, " is");
  const prompt = FAKE_TOKENIZER.detokenize(engine.requests[0].promptIds);
  assertEquals(
    prompt,
    '[{"role":"user","content":"hi"},{"role":"assistant","content":"It"}]true',
  );
});
