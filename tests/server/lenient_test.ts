/** What clients send that means what they want it to: accepted, over a socket. */

import { assertEquals } from "@std/assert";
import { FAKE_TOKENIZER, tokensOf } from "../support/fake_engine.ts";
import { withFakeServer } from "./socket_servers.ts";

const CHAT = "/v1/chat/completions";
const user = { role: "user", content: "hi" };
const ROOM = { info: { contextLength: 40_000 } };
const call = (fields: object) => ({ role: "assistant", tool_calls: [fields] });
const written = (args: string) => `<tool_call>\n{"name": "f", "arguments": ${args}}\n</tool_call>`;
const result = (text: string) => `[user]<tool_response>\n${text}\n</tool_response>`;

const MESSAGES: { why: string; message: object; text: string }[] = [
  {
    why: "an answer of nothing",
    message: { role: "assistant", content: null },
    text: "[assistant]",
  },
  { why: "an answer without content", message: { role: "assistant" }, text: "[assistant]" },
  {
    why: "an answer that was a refusal",
    message: { role: "assistant", content: null, refusal: "No." },
    text: "[assistant]No.",
  },
  {
    why: "an answer of no calls",
    message: { role: "assistant", content: null, tool_calls: [] },
    text: "[assistant]",
  },
  {
    why: "a result of nothing",
    message: { role: "tool", tool_call_id: "1", content: null },
    text: result(""),
  },
  {
    why: "a call without a type",
    message: call({ id: "1", function: { name: "f", arguments: "{}" } }),
    text: `[assistant]${written("{}")}`,
  },
  {
    why: "arguments as an object",
    message: call({ id: "1", type: "function", function: { name: "f", arguments: { a: [1] } } }),
    text: `[assistant]${written('{"a":[1]}')}`,
  },
  {
    why: "arguments left out",
    message: call({ type: "function", function: { name: "f" } }),
    text: `[assistant]${written("{}")}`,
  },
  {
    why: "arguments of no letters",
    message: call({ type: "function", function: { name: "f", arguments: "" } }),
    text: `[assistant]${written("{}")}`,
  },
];

for (const { why, message, text } of MESSAGES) {
  Deno.test(`a conversation may have ${why}`, () =>
    withFakeServer(() => tokensOf("ok"), async ({ post, engine }) => {
      const response = await post(CHAT, { messages: [user, message, user] });
      assertEquals([response.status, (await response.json()).error], [200, undefined]);
      const prompt = FAKE_TOKENIZER.detokenize(engine.requests[0].promptIds);
      assertEquals(prompt, `[user]hi${text}[user]hi[assistant]`);
    }));
}

Deno.test("responses take arguments as an object too", () =>
  withFakeServer(() => tokensOf("ok"), async ({ post, engine }) => {
    const input = [
      user,
      { type: "function_call", call_id: "1", name: "f", arguments: { a: 1 } },
      { type: "function_call_output", call_id: "1", output: "x" },
    ];
    assertEquals((await post("/v1/responses", { input })).status, 200);
    const prompt = FAKE_TOKENIZER.detokenize(engine.requests[0].promptIds);
    assertEquals(prompt, `[user]hi[assistant]${written('{"a":1}')}${result("x")}[assistant]`);
  }));

Deno.test("32 stop strings are looked for, empty ones stop nothing", () =>
  withFakeServer(() => tokensOf("hello world"), async ({ post }) => {
    const others = Array.from({ length: 30 }, (_, index) => `never ${index}`);
    for (const path of [CHAT, "/v1/completions"]) {
      const body = path === CHAT ? { messages: [user] } : { prompt: "hi" };
      const ask = async (stop: unknown) => {
        const { choices } = await (await post(path, { ...body, stop })).json();
        return choices[0].message?.content ?? choices[0].text;
      };
      assertEquals(await ask([...others, "", "wor"]), "hello ");
      assertEquals([await ask(""), await ask([""])], ["hello world", "hello world"]);
    }
  }));

Deno.test("128 tools are told of and may be called", () =>
  withFakeServer(() => tokensOf("ok"), async ({ post, engine }) => {
    const tools = Array.from({ length: 128 }, (_, index) => {
      return { type: "function", function: { name: `tool_${index}` } };
    });
    assertEquals((await post(CHAT, { messages: [user], tools })).status, 200);
    const { grammar, promptIds } = engine.requests[0];
    assertEquals(grammar?.type === "tags" && grammar.tags.length, 128);
    assertEquals(FAKE_TOKENIZER.detokenize(promptIds).includes('"tool_127"'), true);
    const flat = tools.map((tool) => ({ type: "function", ...tool.function }));
    assertEquals((await post("/v1/responses", { input: "hi", tools: flat })).status, 200);
  }, ROOM));

Deno.test("-1 tokens are all that there is room for", () =>
  withFakeServer(() => tokensOf("ok"), async ({ post, engine }) => {
    const bodies: [string, object][] = [
      ...["max_tokens", "max_completion_tokens", "n_predict"].flatMap((name) => [
        [CHAT, { messages: [user], [name]: -1 }] as [string, object],
        ["/v1/completions", { prompt: "hi", [name]: -1 }] as [string, object],
      ]),
      ["/v1/responses", { input: "hi", max_output_tokens: -1 }],
    ];
    for (const [path, body] of bodies) {
      assertEquals((await post(path, body)).status, 200);
      const { maxTokens, promptIds } = engine.requests.at(-1)!;
      assertEquals(maxTokens, 200 - promptIds.length);
    }
  }));
