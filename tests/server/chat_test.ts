import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { FAKE_CONTROL_ID, FAKE_EOS_ID, FAKE_TOKENIZER, tokensOf } from "../support/fake_engine.ts";
import { framesOf, harness, masked } from "./harness.ts";

const MESSAGES = [{ role: "user", content: "hi" }];
const PATH = "/v1/chat/completions";

Deno.test("chat completions have OpenAI's shape, with usage and timings", async () => {
  const { post } = harness(() => [...tokensOf("yes"), FAKE_EOS_ID]);
  const startSeconds = Math.floor(Date.now() / 1000);
  const response = await post(PATH, { model: "fake", messages: MESSAGES });
  assertEquals(response.status, 200);
  const body = await response.json();
  assertMatch(body.id, /^chatcmpl-[0-9a-f]{32}$/);
  assert(startSeconds <= body.created && body.created <= Date.now() / 1000);
  delete body.id;
  delete body.created;
  assertEquals(body, {
    object: "chat.completion",
    model: "fake",
    choices: [{
      index: 0,
      message: { role: "assistant", content: "yes", refusal: null },
      logprobs: null,
      finish_reason: "stop",
    }],
    usage: {
      prompt_tokens: 19,
      completion_tokens: 4,
      total_tokens: 23,
      prompt_tokens_details: { cached_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
    },
    timings: {
      cache_n: 0,
      prompt_n: 19,
      prompt_ms: 100,
      prompt_per_second: 190,
      predicted_n: 4,
      predicted_ms: 500,
      predicted_per_second: 8,
    },
  });
});

function chunk(choices: string, rest = ""): string {
  return `data: {"id":"chatcmpl-X","object":"chat.completion.chunk","created":0,"model":"fake",` +
    `"choices":${choices}${rest}}\n\n`;
}

function choice(delta: string, reason = "null"): string {
  return `[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${reason}}]`;
}

Deno.test("a streamed chat is role, text, finish and [DONE], in this order", async () => {
  const { post } = harness(() => tokensOf("ok"));
  const response = await post(PATH, { messages: MESSAGES, stream: true });
  assertEquals(response.status, 200);
  assertEquals(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  assertEquals(
    masked(await response.text()),
    chunk(choice(`{"role":"assistant","content":""}`)) +
      chunk(choice(`{"content":"o"}`)) +
      chunk(choice(`{"content":"k"}`)) +
      chunk(choice("{}", `"stop"`), `,"timings":{}`) +
      "data: [DONE]\n\n",
  );
});

Deno.test("include_usage adds one last chunk with usage, null in all others", async () => {
  const { post } = harness(() => tokensOf("o"));
  const stream_options = { include_usage: true };
  const response = await post(PATH, { messages: MESSAGES, stream: true, stream_options });
  assertEquals(
    masked(await response.text()),
    chunk(choice(`{"role":"assistant","content":""}`), `,"usage":null`) +
      chunk(choice(`{"content":"o"}`), `,"usage":null`) +
      chunk(choice("{}", `"stop"`), `,"usage":null,"timings":{}`) +
      chunk(
        "[]",
        `,"usage":{"prompt_tokens":19,"completion_tokens":1,"total_tokens":20,` +
          `"prompt_tokens_details":{"cached_tokens":0},` +
          `"completion_tokens_details":{"reasoning_tokens":0}}`,
      ) +
      "data: [DONE]\n\n",
  );
});

Deno.test("all chunks of a stream carry one id, and another request has another", async () => {
  const { post } = harness(() => tokensOf("abc"));
  const idsOf = async () => {
    const response = await post(PATH, { messages: MESSAGES, stream: true });
    return new Set(framesOf(await response.text()).map(({ id }) => id));
  };
  const [first, second] = [await idsOf(), await idsOf()];
  assertEquals([first.size, second.size], [1, 1]);
  assertNotEquals(first, second);
});

Deno.test("continuous_usage_stats counts the tokens so far in every chunk", async () => {
  const { post } = harness(() => tokensOf("abc"));
  const stream_options = { continuous_usage_stats: true };
  const response = await post(PATH, { messages: MESSAGES, stream: true, stream_options });
  const counts = framesOf(await response.text()).map(({ usage }) => usage.completion_tokens);
  assertEquals(counts, [0, 1, 2, 3, 3]);
});

Deno.test("return_progress adds a chunk for each slice of the prompt, with what was cached", async () => {
  const { post, engine } = harness(() => tokensOf("a"));
  engine.cachedTokenCount = 7;
  const response = await post(PATH, { messages: MESSAGES, stream: true, return_progress: true });
  const progress = framesOf(await response.text()).flatMap(({ prompt_progress }) =>
    prompt_progress ? [prompt_progress] : []
  );
  assertEquals(progress.length, 1);
  const { total, cache, processed } = progress[0];
  assertEquals({ total, cache, processed }, { total: 19, cache: 7, processed: 19 });
});

Deno.test("a code point split over tokens is streamed whole", async () => {
  const { post } = harness(() => tokensOf("é🙂"));
  const response = await post(PATH, { messages: MESSAGES, stream: true });
  const deltas = framesOf(await response.text()).map(({ choices }) => choices[0].delta.content);
  assertEquals(deltas, ["", "é", "🙂", undefined]);
});

Deno.test("control tokens leave no text, also with ignore_eos", async () => {
  const script = () => [...tokensOf("a"), FAKE_CONTROL_ID, FAKE_EOS_ID, ...tokensOf("b")];
  const { post, engine } = harness(script);
  const response = await post(PATH, { messages: MESSAGES, ignore_eos: true });
  const { choices, usage } = await response.json();
  assertEquals(choices[0].message.content, "ab");
  assertEquals(usage.completion_tokens, 4);
  assertEquals(engine.requests[0].ignoreEos, true);
});

Deno.test("a stop string that spans tokens is cut and ends the sequence", async () => {
  const { post, engine } = harness(() => [...tokensOf("one END two"), "hang"]);
  const response = await post(PATH, { messages: MESSAGES, stop: ["END"] });
  const { choices, usage } = await response.json();
  assertEquals(choices[0].message.content, "one ");
  assertEquals(choices[0].finish_reason, "stop");
  assertEquals(usage.completion_tokens, 7);
  assertEquals(engine.activeCount, 0);
});

Deno.test("what may begin a stop string is held until it cannot", async () => {
  const { post } = harness(() => tokensOf("a EN EN"));
  const response = await post(PATH, { messages: MESSAGES, stop: "END", stream: true });
  const frames = framesOf(await response.text());
  const deltas = frames.map(({ choices }) => choices[0].delta.content);
  assertEquals(deltas, ["", "a", " ", "EN ", "EN", undefined]);
  assertEquals(frames.at(-1).choices[0].finish_reason, "stop");
});

Deno.test("max_tokens ends with length; without it the context is the limit", async () => {
  const { post, engine } = harness(() => tokensOf("abcdef"));
  const response = await post(PATH, { messages: MESSAGES, max_tokens: 2 });
  const { choices } = await response.json();
  assertEquals(choices[0].finish_reason, "length");
  assertEquals(choices[0].message.content, "ab");
  await (await post(PATH, { messages: MESSAGES })).json();
  await (await post(PATH, { messages: MESSAGES, max_completion_tokens: 3 })).json();
  assertEquals(engine.requests.map(({ maxTokens }) => maxTokens), [2, 200 - 19, 3]);
});

Deno.test("sampling fields reach the engine; their defaults are OpenAI's", async () => {
  const { post, engine } = harness(() => tokensOf("a"));
  const sampling = { temperature: 0.5, top_p: 0.25, top_k: 7, min_p: 0.125, seed: 42 };
  await (await post(PATH, { messages: MESSAGES, ...sampling })).json();
  await (await post(PATH, { messages: MESSAGES, top_p: 0, top_k: -1, seed: -2 })).json();
  await (await post(PATH, { messages: MESSAGES, temperature: null })).json();
  const [asked, folded, unset] = engine.requests.map((request) => request.sampling!);
  assertEquals(asked, { temperature: 0.5, topP: 0.25, topK: 7, minP: 0.125, seed: 42 });
  assertEquals(folded, { temperature: 1, topP: 1e-6, topK: 0, minP: 0, seed: 2 ** 32 - 2 });
  assertEquals({ ...unset, seed: 0 }, { temperature: 1, topP: 1, topK: 0, minP: 0, seed: 0 });
  assert(Number.isInteger(unset.seed) && unset.seed! >= 0 && unset.seed! < 2 ** 32);
});

Deno.test("without a seed every request draws its own", async () => {
  const { post, engine } = harness(() => tokensOf("a"));
  for (let i = 0; i < 4; i++) await (await post(PATH, { messages: MESSAGES })).json();
  assert(new Set(engine.requests.map(({ sampling }) => sampling!.seed)).size > 1);
});

Deno.test("n choices have seeds of their own and come back in order", async () => {
  const { post, engine } = harness((_, callIndex) => tokensOf("xyz"[callIndex]));
  const body = { messages: MESSAGES, n: 3, seed: 2 ** 32 - 1 };
  const { choices, usage } = await (await post(PATH, body)).json();
  assertEquals(engine.requests.map(({ sampling }) => sampling!.seed), [2 ** 32 - 1, 0, 1]);
  const texts = choices.map((item: { index: number; message: { content: string } }) =>
    `${item.index}${item.message.content}`
  );
  assertEquals(texts, ["0x", "1y", "2z"]);
  assertEquals([usage.prompt_tokens, usage.completion_tokens], [19, 3]);
});

Deno.test("n streamed choices each open once, close once, and keep their text", async () => {
  const { post } = harness((_, callIndex) => tokensOf(["left", "right"][callIndex]));
  const response = await post(PATH, { messages: MESSAGES, n: 2, stream: true });
  const text = await response.text();
  for (const [index, expected] of ["left", "right"].entries()) {
    const own = framesOf(text).map(({ choices }) => choices[0]).filter((c) => c.index === index);
    assertEquals(own[0].delta, { role: "assistant", content: "" });
    assertEquals(own.map(({ delta }) => delta.content ?? "").join(""), expected);
    assertEquals(own.filter(({ finish_reason }) => finish_reason !== null).length, 1);
  }
  assert(text.endsWith("data: [DONE]\n\n"));
});

Deno.test("text parts are joined, and developer is the template's system", async () => {
  const { post, engine } = harness(() => tokensOf("a"));
  const parts = [{ type: "text", text: "a" }, { type: "text", text: "b" }];
  const messages = [{ role: "developer", content: "d" }, { role: "user", content: parts }];
  await (await post(PATH, { messages })).json();
  const prompt = FAKE_TOKENIZER.detokenize(engine.requests[0].promptIds);
  assertEquals(prompt, "[system]d[user]a\nb[assistant]");
});

Deno.test("unknown fields and neutral values of unsupported ones are accepted", async () => {
  const { post } = harness(() => tokensOf("a"));
  const neutral = {
    frobnicate: 1,
    logprobs: false,
    frequency_penalty: 0,
    presence_penalty: 0,
    repetition_penalty: 1,
    logit_bias: {},
    tools: [],
    tool_choice: "none",
    response_format: { type: "text" },
    stop: null,
    user: "me",
  };
  const response = await post(PATH, { messages: MESSAGES, ...neutral });
  assertEquals(response.status, 200);
  await response.body?.cancel();
});

Deno.test("usage tells cached tokens once for each prompt, timings what was prefilled", async () => {
  const { post, engine } = harness(() => tokensOf("yes"));
  engine.cachedTokenCount = 16;
  const answer =
    await (await post("/v1/chat/completions", { messages: MESSAGES, n: 3, max_tokens: 3 })).json();
  assertEquals(answer.usage.prompt_tokens_details, { cached_tokens: 16 });
  assertEquals(answer.usage.prompt_tokens, 19);
  assertEquals([answer.timings.cache_n, answer.timings.prompt_n], [48, 9]);
  const stopped = await (await post("/v1/chat/completions", { messages: MESSAGES, stop: "e" }))
    .json();
  assertEquals(stopped.usage.prompt_tokens_details, { cached_tokens: 16 });
});
