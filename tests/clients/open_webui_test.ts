/**
 * The requests of Open WebUI, which cannot be installed here, as its source writes them
 * (`backend/open_webui/routers/openai.py`, `routers/tasks.py`, `utils/payload.py`,
 * `retrieval/utils.py`): what its own server keeps for itself, such as `metadata`, `chat_id` and
 * `features`, is taken out before they are sent. LiteLLM's requests are those of Aider
 * (`agents/recorded/aider.json`), which sends them through it.
 */

import { assert, assertEquals } from "@std/assert";
import { tokensOf } from "../support/fake_engine.ts";
import { withFakeServer } from "../server/socket_servers.ts";

const CHAT = "/v1/chat/completions";
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city":"Bonn"}}\n</tool_call>';
const messages = [
  { role: "system", content: "You help." },
  { role: "user", content: [{ type: "text", text: "Weather of Bonn?" }] },
];
const tools = [{
  type: "function",
  function: {
    name: "weather",
    description: "Weather of a city",
    parameters: {
      type: "object",
      properties: { city: { type: "string", description: "Its name" } },
      required: ["city"],
    },
  },
}];

/** What a model's advanced parameters become. */
const PARAMS = {
  temperature: 0.7,
  top_p: 0.9,
  min_p: 0.05,
  max_tokens: 128,
  frequency_penalty: 0.1,
  presence_penalty: 0.1,
  seed: 7,
  stop: ["END"],
  logit_bias: { "65": -10 },
  response_format: { type: "text" },
};

function dataOf(text: string) {
  const frames = text.trim().split("\n\n").map((frame) => frame.replace(/^data: /, ""));
  assertEquals(frames.at(-1), "[DONE]");
  return frames.slice(0, -1).map((frame) => JSON.parse(frame));
}

Deno.test("Open WebUI lists models, streams answers and calls, and has titles written", () =>
  withFakeServer(
    (_, index) => tokensOf([CALL, "Rain.", '{ "title": "Rain" }'][index]),
    async ({ url, post }) => {
      const { data } = await (await fetch(`${url}/v1/models`)).json();
      const [{ id: model }] = data;
      const streamed = { stream: true, stream_options: { include_usage: true }, model, ...PARAMS };
      const asked = dataOf(await (await post(CHAT, { ...streamed, messages, tools })).text());
      const calls = asked.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);
      const [{ id, function: { name } }] = calls;
      const args = calls.map((call) => call.function.arguments ?? "").join("");
      assertEquals([name, JSON.parse(args)], ["weather", { city: "Bonn" }]);
      assert(asked.at(-1).usage.prompt_tokens > 0);
      const turn = [
        ...messages,
        {
          role: "assistant",
          content: "",
          tool_calls: [{ id, index: 0, type: "function", function: { name, arguments: args } }],
        },
        { role: "tool", tool_call_id: id, content: "rain" },
      ];
      const told = dataOf(await (await post(CHAT, { ...streamed, messages: turn, tools })).text());
      const text = told.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
      assertEquals(text, "Rain.");
      const title = await post(CHAT, {
        model,
        messages: [{ role: "user", content: "### Task:\nGenerate a title." }],
        stream: false,
        max_completion_tokens: 1000,
      });
      assertEquals((await title.json()).choices[0].message.content, '{ "title": "Rain" }');
    },
    { info: { contextLength: 4000 } },
  ));

Deno.test("Open WebUI gets vectors of documents", () =>
  withFakeServer(() => [], async ({ post }) => {
    const body = { input: ["one", "two"], model: "fake" };
    const { data } = await (await post("/v1/embeddings", body)).json();
    assertEquals(data.map(({ embedding }: { embedding: number[] }) => embedding.length), [2, 2]);
  }));
