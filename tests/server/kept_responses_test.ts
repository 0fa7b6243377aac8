/** /v1/responses as coding agents use it: answers that are kept, items and tools of all types. */

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import OpenAI from "openai";
import { ApiError } from "../../server/openai/errors.ts";
import { KeptResponses } from "../../server/openai/responses/kept.ts";
import type { ChatTemplate } from "../../src/tokenizer/types.ts";
import { FAKE_TEMPLATE, FAKE_TOKENIZER, tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";
import { withFakeServer } from "./socket_servers.ts";

const PATH = "/v1/responses";
const ROOM = { info: { contextLength: 6000 } };
const time = { type: "function", name: "time", parameters: { type: "object", properties: {} } };

type Engine = ReturnType<typeof harness>["engine"];
const lastPrompt = ({ requests }: Engine) => FAKE_TOKENIZER.detokenize(requests.at(-1)!.promptIds);

/** Writes the thoughts of earlier answers in angles. */
const REMEMBERING: ChatTemplate = {
  source: "<think></think>",
  reads: () => false,
  render: (list, options) =>
    FAKE_TEMPLATE.render(
      list.map(({ extra, ...each }) => ({
        ...each,
        content: (extra?.reasoning_content ? `<${extra.reasoning_content}>` : "") + each.content,
      })),
      options,
    ),
};

Deno.test("OpenAI's client goes on from a response, reads it again and deletes it", () =>
  withFakeServer((_, index) => tokensOf(`answer ${index}`), async ({ url, engine }) => {
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
    const model = "fake";
    const first = await client.responses.create({ model, input: "one", instructions: "Be brief." });
    const previous_response_id = first.id;
    const second = await client.responses.create({ model, input: "two", previous_response_id });
    assertEquals(lastPrompt(engine), "[user]one[assistant]answer 0[user]two[assistant]");
    assertEquals(second.previous_response_id, first.id);
    const third = await client.responses.create({
      model,
      input: "three",
      previous_response_id: second.id,
      instructions: "Be long.",
    });
    assertEquals(
      lastPrompt(engine),
      "[system]Be long.[user]one[assistant]answer 0[user]two[assistant]answer 1[user]three" +
        "[assistant]",
    );
    const { output_text: _, _request_id: __, ...known } = third as unknown as Record<
      string,
      unknown
    >;
    const again = await client.responses.retrieve(third.id) as unknown as Record<string, unknown>;
    assertEquals(again.id, known.id);
    assertEquals(again.output, known.output);
    await client.responses.delete(third.id);
    await assertRejects(() => client.responses.retrieve(third.id), OpenAI.NotFoundError);
    await assertRejects(() => client.responses.delete(third.id), OpenAI.NotFoundError);
  }, ROOM));

Deno.test("a response with store false is not kept", async () => {
  const { post, app } = harness(() => tokensOf("ok"), ROOM);
  const { id, store } = await (await post(PATH, { input: "x", store: false })).json();
  assertEquals([store, (await app.request(`${PATH}/${id}`)).status], [false, 404]);
  const next = await post(PATH, { input: "y", previous_response_id: id });
  assertEquals([next.status, (await next.json()).error.code], [400, "previous_response_not_found"]);
});

Deno.test("other methods of a kept response are refused with those that there are", async () => {
  const { app } = harness(() => tokensOf("ok"));
  const response = await app.request(`${PATH}/resp_1`, { method: "PUT" });
  assertEquals([response.status, response.headers.get("Allow")], [
    405,
    "GET, HEAD, DELETE, OPTIONS",
  ]);
});

Deno.test("calls of a kept response are answered by the next request", () =>
  withFakeServer(
    () => tokensOf('<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>'),
    async ({ post, engine }) => {
      const { id, output } = await (await post(PATH, { input: "when", tools: [time] })).json();
      const input = [{ type: "function_call_output", call_id: output[0].call_id, output: "noon" }];
      await (await post(PATH, { input, previous_response_id: id, tools: [time] })).json();
      assertMatch(
        lastPrompt(engine),
        /\[user\]when\[assistant\]<tool_call>.*"time".*\[user\]<tool_response>\nnoon\n/s,
      );
    },
    ROOM,
  ));

Deno.test("KeptResponses holds no more than it may, and lets the least recently used go", () => {
  const kept = new KeptResponses(1000);
  const response = (id: string) => ({
    answer: { id },
    messages: [{ role: "user", content: "x".repeat(300) }],
  });
  for (const id of ["a", "b"]) kept.keep(response(id));
  kept.get("a");
  kept.keep(response("c"));
  assertEquals(kept.get("a").answer.id, "a");
  const gone = assertThrows(() => kept.get("b"), ApiError);
  assertEquals(gone.status, 404);
  kept.keep({ answer: { id: "huge" }, messages: [{ role: "user", content: "x".repeat(2000) }] });
  assertThrows(() => kept.get("huge"), ApiError);
  assertEquals(kept.get("c").answer.id, "c");
});

Deno.test("thoughts come sealed if they are asked for, and reach the next prompt", async () => {
  const { post, engine } = harness(() => tokensOf("<think>Hm, é.</think>Yes."), {
    ...ROOM,
    model: { chatTemplate: REMEMBERING },
  });
  const asked = { input: "x", store: false, include: ["reasoning.encrypted_content"] };
  const { output } = await (await post(PATH, asked)).json();
  const [{ encrypted_content, content, ...reasoning }, message] = output;
  assertEquals(content[0].text, "Hm, é.");
  assert(!encrypted_content.includes("Hm"), encrypted_content);
  for (const own of [{ encrypted_content }, { content }]) {
    const input = [
      { role: "user", content: "x" },
      { ...reasoning, ...own },
      message,
      { role: "user", content: "y" },
    ];
    await (await post(PATH, { input })).json();
    assertEquals(lastPrompt(engine), "[user]x[assistant]<Hm, é.>Yes.[user]y[assistant]");
  }
});

/** As Codex sends it: tools that others run, items of all types, thoughts to send back. */
const CODEX = {
  model: "fake",
  instructions: "You are Codex.",
  input: [
    { type: "message", role: "developer", content: [{ type: "input_text", text: "<rules>" }] },
    { type: "message", role: "user", content: [{ type: "input_text", text: "list" }] },
    {
      type: "reasoning",
      summary: [{ type: "summary_text", text: "s" }],
      content: null,
      encrypted_content: "gAAAA of another server",
    },
    { type: "message", role: "assistant", content: [{ type: "output_text", text: "I list." }] },
    {
      type: "function_call",
      name: "shell",
      arguments: '{"command":["ls"]}',
      call_id: "call_1",
    },
    { type: "function_call_output", call_id: "call_1", output: "a.txt" },
    { type: "custom_tool_call", call_id: "c2", name: "apply_patch", input: "*** Begin" },
    { type: "custom_tool_call_output", call_id: "c2", output: "Done" },
    { type: "web_search_call", status: "completed", action: { type: "search", query: "q" } },
    {
      type: "local_shell_call",
      call_id: "c3",
      status: "completed",
      action: { type: "exec", command: ["ls"] },
    },
  ],
  tools: [
    {
      type: "function",
      name: "shell",
      description: "Runs a command",
      strict: false,
      parameters: {
        type: "object",
        properties: { command: { type: "array", items: { type: "string" } } },
        required: ["command"],
        additionalProperties: false,
      },
    },
    { type: "web_search", external_web_access: false },
    { type: "custom", name: "apply_patch", format: { type: "grammar", syntax: "lark" } },
    { type: "namespace", name: "mcp", tools: [] },
  ],
  tool_choice: "auto",
  parallel_tool_calls: true,
  reasoning: { effort: "medium", summary: "auto" },
  store: false,
  stream: true,
  include: ["reasoning.encrypted_content"],
  prompt_cache_key: "0199-session",
  text: { verbosity: "low" },
};

Deno.test("a request of Codex is answered, and says what it leaves out", () =>
  withFakeServer(() => tokensOf("Done."), async ({ post, engine }) => {
    const response = await post(PATH, CODEX);
    assertEquals(response.status, 200);
    const warning = response.headers.get("X-PackKV-Warning") ?? "";
    const left = ["web_search", "custom", "local_shell_call", "reasoning.effort"];
    for (const part of [...left, "text.verbosity"]) assert(warning.includes(part), warning);
    assertMatch(await response.text(), /event: response\.completed/);
    const prompt = lastPrompt(engine);
    assertMatch(
      prompt,
      /^\[system\]You are Codex\..*"name":"shell".*\[system\]<rules>\[user\]list/s,
    );
    assertMatch(
      prompt,
      /\[assistant\]I list\.\n<tool_call>.*"command":\["ls"\].*\[user\]<tool_response>\na\.txt\n/s,
    );
    assertMatch(prompt, /"apply_patch", "arguments": \{"input":"\*\*\* Begin"\}/);
    assert(!prompt.includes('"name":"apply_patch","description"'));
  }, ROOM));

Deno.test("functions of namespaces are called by their two names, and their calls come back", () =>
  withFakeServer(
    (_, index) =>
      tokensOf(
        index > 0
          ? "ok"
          : '<tool_call>\n{"name": "mcp__files__read", "arguments": {"path": "a"}}\n</tool_call>',
      ),
    async ({ url, engine }) => {
      const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
      const { type: _, ...read } = { ...time, name: "read" };
      const tools: OpenAI.Responses.Tool[] = [{
        type: "namespace",
        name: "mcp__files",
        description: "Files",
        tools: [{ type: "function", ...read }, { type: "custom", name: "patch" }],
      }];
      const asked = { model: "fake", tools };
      const { output } = await client.responses.create({ ...asked, input: "hi" });
      const [call] = output;
      assert(call.type === "function_call");
      assertEquals([call.namespace, call.name], ["mcp__files", "read"]);
      assertMatch(lastPrompt(engine), /"name":"mcp__files__read"/);
      const result = { type: "function_call_output", call_id: call.call_id, output: "b" } as const;
      await client.responses.create({ ...asked, input: [call, result] });
      assertMatch(
        lastPrompt(engine),
        /<tool_call>\n\{"name": "mcp__files__read", .*\n<\/tool_call>/,
      );
      const chosen = { type: "function", namespace: "mcp__files", name: "read" } as const;
      await client.responses.create({ ...asked, input: "hi", tool_choice: chosen });
      const { grammar } = engine.requests.at(-1)!;
      assertEquals(grammar?.type === "tags" && grammar.tags.map(({ name }) => name), [
        "mcp__files__read",
      ]);
    },
    ROOM,
  ));

Deno.test("allowed_tools restricts what may be called, not what is described", async () => {
  const { post, engine } = harness(() => tokensOf("ok"), ROOM);
  const tools = [time, { ...time, name: "date" }];
  const allowed = (names: string[]) => ({
    type: "allowed_tools",
    mode: "required",
    tools: names.map((name) => ({ type: "function", name })),
  });
  await (await post(PATH, { input: "x", tools, tool_choice: allowed(["date"]) })).json();
  const { grammar } = engine.requests[0];
  assert(grammar?.type === "tags" && grammar.trigger === null);
  assertEquals(grammar.tags.map(({ name }) => name), ["date"]);
  assertMatch(lastPrompt(engine), /"name":"time"/);
  const refused = await post(PATH, { input: "x", tools, tool_choice: allowed(["other"]) });
  assertEquals([refused.status, (await refused.json()).error.param], [400, "tool_choice.tools"]);
});

Deno.test("images are refused by name in every place of an input", async () => {
  const { post } = harness(() => tokensOf("ok"), ROOM);
  const image = { type: "input_image", image_url: "data:image/png;base64,x" };
  const inputs = [
    [{ role: "user", content: [image] }],
    [
      { type: "function_call", call_id: "1", name: "look", arguments: "{}" },
      { type: "function_call_output", call_id: "1", output: [image] },
    ],
  ];
  for (const input of inputs) {
    const response = await post(PATH, { input });
    const { error } = await response.json();
    assertEquals(response.status, 400);
    assertMatch(error.message, /an image \(type "input_image"\) is not supported/);
  }
});
