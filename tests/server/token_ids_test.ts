/** Ids of tokens in answers, and models that have nothing else to answer with. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { FAKE_CONTROL_ID, tokensOf } from "../support/fake_engine.ts";
import { collectEvents, collectIds, tinyPrompt } from "../support/tiny_engine.ts";
import { framesOf, harness } from "./harness.ts";
import { withTinyServer } from "./socket_servers.ts";

const CHAT = "/v1/chat/completions";
const TEXT = "/v1/completions";
const messages = [{ role: "user", content: "hi" }];
const ASKED = { return_token_ids: true };

/** Choices of the frames of a stream. */
// deno-lint-ignore no-explicit-any
const choicesOf = (text: string): any[] => framesOf(text).flatMap(({ choices }) => choices);

/** Runs `body`; what it warned of on the console. */
async function warningsOf(body: () => Promise<void>): Promise<string> {
  const { warn } = console;
  const said: string[] = [];
  console.warn = (text: string) => said.push(text);
  try {
    await body();
  } finally {
    console.warn = warn;
  }
  return said.join("\n");
}

Deno.test("a file without a tokenizer is served with the default profile, by ids, and this is said", async () => {
  const model = { hasTokenizer: false, contextLength: 256 };
  const said = await warningsOf(() =>
    withTinyServer({ model, profile: { name: "balanced" } }, async ({ post, engine }) => {
      assertMatch(engine.info.profile, /^balanced /);
      const [prompt, other] = [tinyPrompt(150, 1), tinyPrompt(20, 2)];
      const [ids, otherIds] = [
        await collectIds(engine, { promptIds: prompt, maxTokens: 8 }),
        await collectIds(engine, { promptIds: other, maxTokens: 8 }),
      ];
      const body = { prompt: [prompt, other], max_tokens: 8, temperature: 0, ...ASKED };
      const { choices, usage } = await (await post(TEXT, body)).json();
      const shared = { text: "", logprobs: null, finish_reason: "length" };
      assertEquals(choices, [
        { index: 0, ...shared, prompt_token_ids: prompt, token_ids: ids },
        { index: 1, ...shared, prompt_token_ids: other, token_ids: otherIds },
      ]);
      assertEquals(usage.completion_tokens, 16);
      const streamed = await (await post(TEXT, { ...body, prompt, stream: true })).text();
      assertEquals(choicesOf(streamed).flatMap(({ token_ids }) => token_ids), ids);
      assertEquals(choicesOf(streamed)[0].prompt_token_ids, prompt);
      // What needs a text is refused, and says so.
      const refused: [string, object, string][] = [
        [TEXT, { prompt: "a text" }, "The model file has no tokenizer"],
        [TEXT, { prompt, stop: ["x"] }, "Cannot honour stop: the model file has no tokenizer"],
        [TEXT, { prompt, echo: true }, "Cannot honour echo: the model file has no tokenizer"],
        [TEXT, { prompt, logprobs: 5 }, "Cannot honour logprobs: the model file has no tokenizer"],
        [
          "/detokenize",
          { tokens: prompt },
          "Cannot honour tokens: the model file has no tokenizer",
        ],
        [TEXT, { prompt, response_format: { type: "json_object" } }, "honour response_format"],
        [CHAT, { messages }, "Cannot use chat messages with this model"],
        [TEXT, { prompt: [288] }, "token id 288 is not below the vocabulary's 288"],
      ];
      for (const [path, fields, message] of refused) {
        const response = await post(path, { max_tokens: 1, ...fields });
        assertStringIncludes((await response.json()).error?.message, message);
        assertEquals(response.status, 400);
      }
    })
  );
  assertStringIncludes(said, "The model file has no tokenizer: only token ids are served");
  assertStringIncludes(said, "balanced is calibrated on random tokens");
});

Deno.test("ids of an answer end with the end token if there was one, whole and streamed", () =>
  withTinyServer({}, async ({ post, engine }) => {
    const body = { prompt: "hello", max_tokens: 8, logit_bias: { "2": 100 }, ...ASKED };
    const { choices: [choice], usage } = await (await post(TEXT, body)).json();
    assertEquals([choice.token_ids, choice.finish_reason], [[2], "stop"]);
    assertEquals(usage.completion_tokens, 0);
    const streamed = choicesOf(await (await post(TEXT, { ...body, stream: true })).text());
    assertEquals(streamed.flatMap(({ token_ids }) => token_ids), [2]);
    const adjustments = { logitBias: [[2, 100]] as const };
    const request = { promptIds: choice.prompt_token_ids, maxTokens: 8, adjustments };
    const finish = (await collectEvents(engine, request)).at(-1)!;
    assertEquals(finish.type === "finish" && finish.endId, 2);
  }));

const SAMPLED = [...tokensOf("é 1"), FAKE_CONTROL_ID, ...tokensOf("EN!EN"), ...tokensOf("D.")];

for (const stream of [false, true]) {
  Deno.test(`ids of a chat are all that was sampled, whatever its text is held back for or cut (stream ${stream})`, async () => {
    const { post, engine } = harness(() => SAMPLED);
    const body = { messages, stop: ["END"], n: 2, stream, ...ASKED };
    const text = await (await post(CHAT, body)).text();
    const frames = stream ? framesOf(text) : [JSON.parse(text)];
    const prompts = frames.map(({ prompt_token_ids }) => prompt_token_ids);
    const { promptIds } = engine.requests[0];
    // Once for a choice of a stream, or for the whole answer.
    const told = prompts.filter((prompt) => prompt !== undefined);
    assertEquals(told, stream ? [promptIds, promptIds] : [promptIds]);
    for (const index of [0, 1]) {
      const choices = frames.flatMap(({ choices }) => choices)
        .filter((choice) => choice.index === index);
      const content = choices.map((choice) => (choice.delta ?? choice.message).content ?? "");
      assertEquals(content.join(""), "é 1EN!");
      assertEquals(choices.flatMap(({ token_ids }) => token_ids), SAMPLED.slice(0, -1));
    }
  });
}

Deno.test("answers have no ids unless they are asked for", async () => {
  const { post } = harness(() => SAMPLED);
  for (const [path, fields] of [[CHAT, { messages }], [TEXT, { prompt: "a" }]] as const) {
    for (const stream of [false, true]) {
      const text = await (await post(path, { ...fields, stream, return_token_ids: false })).text();
      assertEquals(text.includes("token_ids"), false, text);
    }
  }
});
