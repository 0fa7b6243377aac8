import { assert, assertEquals } from "@std/assert";
import { FAKE_CONTROL_ID, tokensOf } from "../support/fake_engine.ts";
import { framesOf, harness } from "./harness.ts";
import { withServer } from "./serve_app.ts";

const CHAT = "/v1/chat/completions";
const TEXT = "/v1/completions";
const messages = [{ role: "user", content: "hi" }];

interface Reported {
  token: string;
  logprob: number;
  bytes: number[];
  top_logprobs: { token: string }[];
}

const SCRIPTS = [
  { why: "plain", text: "ok", stop: [], expected: "ok" },
  { why: "split code points", text: "é🙂!", stop: [], expected: "é🙂!" },
  { why: "a stop string over tokens", text: "one END two", stop: ["END"], expected: "one " },
  { why: "what might begin a stop string", text: "a EN EN", stop: ["END"], expected: "a EN EN" },
  { why: "a stop string at the start", text: "END", stop: ["END"], expected: "" },
];

for (const stream of [false, true]) {
  for (const { why, text, stop, expected } of SCRIPTS) {
    Deno.test(`reported tokens join to the text (chat, ${why}, stream ${stream})`, async () => {
      const { post, engine } = harness(() => tokensOf(text));
      const fields = { messages, stop, stream, logprobs: true, top_logprobs: 2 };
      const answer = await (await post(CHAT, fields)).text();
      const choices = stream
        ? framesOf(answer).map((frame) => frame.choices[0])
        : JSON.parse(answer).choices;
      const told: Reported[] = choices.flatMap((
        choice: { logprobs: { content: Reported[] } | null },
      ) => choice.logprobs?.content ?? []);
      assertEquals(told.map(({ token }) => token).join(""), expected);
      const bytes = Uint8Array.from(told.flatMap((each) => each.bytes));
      assert(new TextDecoder().decode(bytes).startsWith(expected));
      for (const { logprob, bytes: [byte], top_logprobs } of told) {
        assertEquals([logprob, top_logprobs.length], [-byte / 100, 2]);
      }
      assertEquals(engine.requests[0].logprobs, 2);
    });
  }
}

Deno.test("chat completions tell nothing of tokens unless asked", async () => {
  const { post, engine } = harness(() => tokensOf("ok"));
  const { choices } = await (await post(CHAT, { messages, logprobs: false })).json();
  assertEquals([choices[0].logprobs, engine.requests[0].logprobs], [null, undefined]);
});

Deno.test("a control token is told of with neither text nor bytes", async () => {
  const { post } = harness(() => [97, FAKE_CONTROL_ID, 98]);
  const { choices } = await (await post(CHAT, { messages, logprobs: true })).json();
  const told: Reported[] = choices[0].logprobs.content;
  assertEquals(told.map(({ token }) => token), ["a", "", "b"]);
  assertEquals(told.map(({ bytes }) => bytes.length), [1, 0, 1]);
});

Deno.test("completions tell tokens, log-probabilities, alternatives and offsets", async () => {
  const { post } = harness(() => tokensOf("bé"));
  const { choices } = await (await post(TEXT, { prompt: "a", logprobs: 1 })).json();
  assertEquals(choices[0].logprobs, {
    tokens: ["b", "", "é"],
    token_logprobs: [-0.98, -1.95, -1.69],
    top_logprobs: [{ b: -0.98 }, { "bytes:\\xc3": -1.95 }, { "bytes:\\xa9": -1.69 }],
    text_offset: [0, 1, 1],
  });
});

for (const stream of [false, true]) {
  Deno.test(`echo tells of the prompt, whose first token has null (stream ${stream})`, async () => {
    const { post, engine } = harness(() => tokensOf("!"));
    const body = { prompt: [[104, 105], [98]], logprobs: 1, echo: true, stream };
    const answer = await (await post(TEXT, body)).text();
    const choices = stream
      ? framesOf(answer).map((frame) => frame.choices[0])
      : JSON.parse(answer).choices;
    const first = choices.filter(({ index }: { index: number }) => index === 0);
    const join = (field: string) =>
      first.flatMap((choice: { logprobs: Record<string, unknown[]> | null }) =>
        choice.logprobs?.[field] ?? []
      );
    assertEquals(first.map(({ text }: { text: string }) => text).join(""), "hi!");
    assertEquals(join("tokens"), ["h", "i", "!"]);
    assertEquals(join("token_logprobs"), [null, -1.05, -0.33]);
    assertEquals(join("top_logprobs"), [null, { i: -1.05 }, { "!": -0.33 }]);
    assertEquals(join("text_offset"), [0, 1, 2]);
    assertEquals(engine.requests[0].promptLogprobs, 1);
  });
}

const AS_IDS = { return_tokens_as_token_ids: true };

for (const stream of [false, true]) {
  Deno.test(`return_tokens_as_token_ids names tokens by id, over a socket (stream ${stream})`, () =>
    withServer(() => tokensOf("bé"), async ({ url }) => {
      const ask = async (path: string, body: object) => {
        const sent = { method: "POST", body: JSON.stringify({ ...body, ...AS_IDS, stream }) };
        const text = await (await fetch(url + path, sent)).text();
        const choices = stream
          ? framesOf(text).flatMap((frame) => frame.choices)
          : JSON.parse(text).choices;
        return choices.flatMap(({ logprobs }: { logprobs: object | null }) => logprobs ?? []);
      };
      const ids = ["token_id:98", "token_id:195", "token_id:169"];
      const asked = { messages, logprobs: true, top_logprobs: 1 };
      const told: Reported[] = (await ask(CHAT, asked)).flatMap((each: { content: Reported[] }) =>
        each.content
      );
      assertEquals(told.map(({ token }) => token), ids);
      assertEquals(told.map(({ top_logprobs: [{ token }] }) => token), ids);
      assertEquals(told.flatMap(({ bytes }) => bytes), [98, 195, 169]);
      const all = await ask(TEXT, { prompt: [104, 105], echo: true, logprobs: 1 });
      const join = (field: string) => all.flatMap((each: Record<string, unknown[]>) => each[field]);
      assertEquals(join("tokens"), ["token_id:104", "token_id:105", ...ids]);
      const tops = [["token_id:105", -1.05], [ids[0], -0.98], [ids[1], -1.95], [ids[2], -1.69]];
      assertEquals(join("top_logprobs"), [null, ...tops.map((top) => Object.fromEntries([top]))]);
      assertEquals(join("text_offset"), [0, 1, 2, 3, 3]);
      assertEquals(await ask(CHAT, { messages }), [], "it asks for no log-probabilities");
    }));
}

Deno.test("echo with logprobs and max_tokens 0 only reads the prompt", async () => {
  const { post, engine } = harness(() => []);
  const body = { prompt: [104, 105], logprobs: 0, echo: true, max_tokens: 0 };
  const { choices, usage } = await (await post(TEXT, body)).json();
  assertEquals(choices[0].text, "hi");
  assertEquals(choices[0].logprobs.token_logprobs, [null, -1.05]);
  assertEquals(usage.completion_tokens, 0);
  assertEquals(engine.requests[0].maxTokens, 0);
});

Deno.test("penalties, bias, priority and salt reach the engine; kv names what is in force", async () => {
  const { post, engine } = harness(() => tokensOf("a"));
  const fields = {
    frequency_penalty: 0.5,
    presence_penalty: -0.5,
    repetition_penalty: 1.1,
    logit_bias: { "5": -100, "97": 2 },
    priority: 3,
    cache_salt: "mine",
    kv: { profile: "paper", k_rel: 0.1, v_rel: 0.2, pack_size: 16, repack: "none" },
  };
  assertEquals((await post(CHAT, { messages, ...fields })).status, 200);
  const [{ adjustments, priority, cacheSalt }] = engine.requests;
  assertEquals(adjustments, {
    frequencyPenalty: 0.5,
    presencePenalty: -0.5,
    repetitionPenalty: 1.1,
    logitBias: [[5, -100], [97, 2]],
  });
  assertEquals([priority, cacheSalt], [3, "mine"]);
});
