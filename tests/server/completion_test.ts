import { assertEquals, assertMatch } from "@std/assert";
import { FAKE_EOS_ID, tokensOf } from "../support/fake_engine.ts";
import { framesOf, harness, masked } from "./harness.ts";

const PATH = "/v1/completions";

// deno-lint-ignore no-explicit-any
const textsOf = (body: any) => body.choices.map((c: { text: string }) => c.text);

Deno.test("POST /v1/completions answers in OpenAI's shape", async () => {
  const { post } = harness(() => tokensOf("yes"));
  const body = await (await post(PATH, { model: "fake", prompt: "hello" })).json();
  assertMatch(body.id, /^cmpl-[0-9a-f]{32}$/);
  assertEquals(body.object, "text_completion");
  assertEquals(body.choices, [{ index: 0, text: "yes", logprobs: null, finish_reason: "stop" }]);
  assertEquals(body.usage.total_tokens, 8);
});

Deno.test("POST /v1/completions streams text, then finish, then [DONE]", async () => {
  const { post } = harness(() => tokensOf("ok"));
  const response = await post(PATH, { prompt: "hello", stream: true });
  const chunk = (text: string, reason: string, rest = "") =>
    `data: {"id":"cmpl-X","object":"text_completion","created":0,"model":"fake","choices":` +
    `[{"index":0,"text":"${text}","logprobs":null,"finish_reason":${reason}}]${rest}}\n\n`;
  assertEquals(
    masked(await response.text()),
    chunk("o", "null") + chunk("k", "null") + chunk("", `"stop"`, `,"timings":{}`) +
      "data: [DONE]\n\n",
  );
});

Deno.test("special tokens in a prompt are control tokens, ids stay as they are", async () => {
  const { post, engine } = harness(() => tokensOf("a"));
  await (await post(PATH, { prompt: "x<|end|>" })).json();
  await (await post(PATH, { prompt: [7, 8, 9] })).json();
  assertEquals(engine.requests.map(({ promptIds }) => promptIds), [[120, FAKE_EOS_ID], [7, 8, 9]]);
});

Deno.test("lists of prompts give n choices each, numbered prompt by prompt", async () => {
  const { post, engine } = harness((
    request,
  ) => [request.promptIds[0], request.sampling!.seed! + 48]);
  const byText = await (await post(PATH, { prompt: ["a", "bc"], n: 2, seed: 0 })).json();
  assertEquals(textsOf(byText), ["a0", "a1", "b0", "b1"]);
  assertEquals(byText.usage.prompt_tokens, 3);
  const byIds = await (await post(PATH, { prompt: [[100], [101, 102]], seed: 0 })).json();
  assertEquals(textsOf(byIds), ["d0", "e0"]);
  assertEquals(engine.requests.length, 6);
});

Deno.test("a long list of prompts runs no more at a time than the engine does", async () => {
  const { post, engine } = harness(() => tokensOf("a"), { info: { sequenceCountMax: 3 } });
  const prompt = Array.from({ length: 20 }, () => "p");
  const body = await (await post(PATH, { prompt })).json();
  assertEquals(body.choices.length, 20);
  assertEquals(engine.activeCountMax, 3);
});

Deno.test("echo begins each choice with its prompt, streamed too, of text and of ids", async () => {
  const { post } = harness(() => tokensOf("!"));
  const body = await (await post(PATH, { prompt: ["a", "b"], echo: true })).json();
  assertEquals(textsOf(body), ["a!", "b!"]);
  const response = await post(PATH, { prompt: [104, 105], echo: true, stream: true });
  const texts = framesOf(await response.text()).map(({ choices }) => choices[0].text);
  assertEquals(texts, ["hi", "!", ""]);
});

Deno.test("max_tokens 0 echoes without asking the engine; the default is 16", async () => {
  const { post, engine } = harness(() => tokensOf("!"));
  const body = await (await post(PATH, { prompt: "ab", echo: true, max_tokens: 0 })).json();
  assertEquals(textsOf(body), ["ab"]);
  assertEquals(body.choices[0].finish_reason, "length");
  assertEquals(body.usage.total_tokens, 2);
  assertEquals(engine.requests.length, 0);
  await (await post(PATH, { prompt: "ab" })).json();
  assertEquals(engine.requests[0].maxTokens, 16);
});

Deno.test("a stop string in the echoed prompt does not stop", async () => {
  const { post } = harness(() => tokensOf("1.2"));
  const body = await (await post(PATH, { prompt: "a.b", echo: true, stop: "." })).json();
  assertEquals(textsOf(body), ["a.b1"]);
});
