import { assert, assertEquals, assertMatch } from "@std/assert";
import { FAKE_TOKENIZER, tokensOf } from "../support/fake_engine.ts";
import { framesOf, harness } from "./harness.ts";

const CHAT = "/v1/chat/completions";
const messages = [{ role: "user", content: "hi" }];
const parameters = { type: "object", properties: { city: { type: "string" } } };
const tools = [
  { type: "function", function: { name: "weather", description: "of a city", parameters } },
  { type: "function", function: { name: "time" } },
];
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city":"Bo{}nn"}}\n</tool_call>';
const OTHER = '<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>';

interface Delta {
  content?: string;
  tool_calls?: { index: number; id?: string; function: { name?: string; arguments: string } }[];
}

/** The context must hold the description of the tools. */
const OPTIONS = { info: { contextLength: 4000 } };

const ANSWERS: { why: string; text: string; content: string; calls: [string, string][] }[] = [
  { why: "one call", text: CALL, content: "", calls: [["weather", '{"city":"Bo{}nn"}']] },
  {
    why: "text and two calls",
    text: `Let me <see>.\n${CALL}\n${OTHER}`,
    content: "Let me <see>.\n",
    calls: [["weather", '{"city":"Bo{}nn"}'], ["time", "{}"]],
  },
  { why: "no call", text: "No <tool", content: "No <tool", calls: [] },
];

for (const stream of [false, true]) {
  for (const { why, text, content, calls } of ANSWERS) {
    Deno.test(`calls are told apart from text (${why}, stream ${stream})`, async () => {
      const { post } = harness(() => tokensOf(text), OPTIONS);
      const response = await post(CHAT, { messages, tools, stream });
      const answer = await response.text();
      const reason = calls.length > 0 ? "tool_calls" : "stop";
      if (!stream) {
        const { message, finish_reason } = JSON.parse(answer).choices[0];
        assertEquals(finish_reason, reason);
        assertEquals(message.content, content === "" ? null : content);
        const told = (message.tool_calls ?? []).map(
          (call: { function: { name: string; arguments: string } }) => Object.values(call.function),
        );
        return assertEquals(told, calls);
      }
      const choices = framesOf(answer).map((frame) => frame.choices[0]);
      assertEquals(choices.at(-1).finish_reason, reason);
      const deltas: Delta[] = choices.map(({ delta }) => delta);
      assertEquals(deltas.map((delta) => delta.content ?? "").join(""), content);
      const parts = deltas.flatMap((delta) => delta.tool_calls ?? []);
      const joined = calls.map((_, index) => {
        const own = parts.filter((part) => part.index === index);
        assertMatch(own[0].id ?? "", /^call_[0-9a-f]{24}$/);
        assert(own.slice(1).every(({ id, function: { name } }) => !id && !name));
        const text = own.map((part) => part.function.arguments).join("");
        return [own[0].function.name, text];
      });
      assertEquals(joined, calls);
      assert(calls.length === 0 || parts.length > 10, "arguments come as they are made");
    });
  }
}

Deno.test("tools are described, earlier calls and results are written as they were", async () => {
  const { post, engine } = harness(() => tokensOf("ok"), OPTIONS);
  const call = { id: "1", type: "function", function: { name: "time", arguments: "{}" } };
  const history = [
    { role: "system", content: "Be brief." },
    ...messages,
    { role: "assistant", content: null, tool_calls: [call] },
    { role: "tool", tool_call_id: "1", content: "noon" },
  ];
  assertEquals((await post(CHAT, { messages: history, tools })).status, 200);
  const prompt = FAKE_TOKENIZER.detokenize(engine.requests[0].promptIds);
  assertMatch(prompt, /^\[system\]Be brief\.\n\n.*"name":"weather".*"name":"time"/s);
  assert(prompt.endsWith(
    `[user]hi[assistant]${OTHER}[user]<tool_response>\nnoon\n</tool_response>[assistant]`,
  ));
});

const CHOICES: { choice: unknown; names: string[]; trigger: string | null; repeats: boolean }[] = [
  { choice: "auto", names: ["weather", "time"], trigger: "<tool_call>", repeats: true },
  { choice: "required", names: ["weather", "time"], trigger: null, repeats: true },
  {
    choice: { type: "function", function: { name: "time" } },
    names: ["time"],
    trigger: null,
    repeats: false,
  },
];

for (const { choice, names, trigger, repeats } of CHOICES) {
  Deno.test(`tool_choice ${JSON.stringify(choice)} gives the grammar it means`, async () => {
    const { post, engine } = harness(() => tokensOf("ok"), OPTIONS);
    await (await post(CHAT, { messages, tools, tool_choice: choice })).json();
    const { grammar } = engine.requests[0];
    assert(grammar?.type === "tags");
    assertEquals([grammar.trigger, grammar.isRepeated], [trigger, repeats]);
    assertEquals(
      grammar.tags.map(({ begin }) => JSON.parse(/name": (".*?")/.exec(begin)![1])),
      names,
    );
    await (await post(CHAT, { messages, tools, tool_choice: choice, parallel_tool_calls: false }))
      .json();
    assertEquals(engine.requests[1].grammar, { ...grammar, isRepeated: false });
  });
}

Deno.test("tool_choice none neither tells of tools nor asks for a form", async () => {
  const { post, engine } = harness(() => tokensOf(CALL), OPTIONS);
  const { choices } = await (await post(CHAT, { messages, tools, tool_choice: "none" })).json();
  assertEquals(choices[0].message.content, CALL);
  assertEquals(engine.requests[0].grammar, undefined);
  const prompt = FAKE_TOKENIZER.detokenize(engine.requests[0].promptIds);
  assertEquals(prompt, "[user]hi[assistant]");
});

Deno.test("beside tools an answer without calls follows response_format, in every protocol", async () => {
  const schema = { type: "object", properties: { a: { type: "null" } } };
  const named = { name: "x", schema, strict: true };
  const [{ function: { name, description, parameters } }] = tools;
  const asked: [path: string, body: object][] = [
    [CHAT, { messages, tools, response_format: { type: "json_schema", json_schema: named } }],
    ["/v1/responses", {
      input: "hi",
      tools: [{ type: "function", name, description, parameters }],
      text: { format: { type: "json_schema", ...named } },
    }],
    ["/v1/messages", {
      model: "fake",
      max_tokens: 50,
      messages,
      tools: [{ name, description, input_schema: parameters }],
      output_config: { format: { type: "json_schema", schema } },
    }],
  ];
  for (const [path, body] of asked) {
    for (const said of ['{"a":null}', CALL]) {
      const { post, engine } = harness(() => tokensOf(said), OPTIONS);
      const response = await post(path, body);
      const answer = await response.text();
      assertEquals(response.status, 200, answer);
      const { grammar } = engine.requests[0];
      assert(grammar?.type === "tags" && grammar.otherwise);
      assertEquals([grammar.trigger, JSON.parse(grammar.otherwise.schema)], [null, schema]);
      assertEquals(answer.includes('{\\"a\\":null}'), said !== CALL);
      assertEquals(/"tool_use"|"tool_calls"|"function_call"/.test(answer), said === CALL);
    }
  }
});

Deno.test("response_format asks for a schema, of completions too", async () => {
  const { post, engine } = harness(() => tokensOf("{}"));
  const schema = { type: "object", properties: { a: { type: "null" } } };
  const json_schema = { name: "x", schema, strict: true };
  const response_format = { type: "json_schema", json_schema };
  await (await post(CHAT, { messages, response_format })).json();
  await (await post("/v1/completions", { prompt: "x", response_format })).json();
  await (await post(CHAT, { messages, response_format: { type: "json_object" } })).json();
  const grammars = engine.requests.map(({ grammar }) => {
    assert(grammar?.type === "json_schema");
    return JSON.parse(grammar.schema);
  });
  assertEquals(grammars, [schema, schema, { type: "object", additionalProperties: true }]);
});
