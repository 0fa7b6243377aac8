/** What fields of other servers do here, over a socket on an engine with a tiny model. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { framesOf } from "./harness.ts";
import { type Post, sharedTinyServer, withTinyServer } from "./socket_servers.ts";

const CHAT = "/v1/chat/completions";
const TEXT = "/v1/completions";
const messages = [{ role: "user", content: "hello world" }];

/** Thinks unless told not to, cites documents, knows names; no tools. */
const TEMPLATE = [
  "{% for d in documents or [] %}[doc {{ d['text'] }}]{% endfor %}",
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] }}",
  "{% if m['name'] %}{{ '/' + m['name'] }}{% endif %}",
  "{{ '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}",
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}",
  "{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}",
  "{% if effort_word %}{{ effort_word }}{% endif %}{% endif %}",
].join("");

const TINY = {
  model: { metadata: { "tokenizer.chat_template": TEMPLATE } },
} as const;

const templated = sharedTinyServer(TINY);
const tiny = sharedTinyServer({});

async function errorOf(post: Post, path: string, body: object) {
  const response = await post(path, body);
  const { error } = await response.json();
  return [response.status, error?.param, error?.code];
}

Deno.test("fields of the template change the prompt, as /apply-template and /tokenize tell it", async () => {
  const { post, requests } = templated();
  const start = "<|im_start|>user\nhello world<|im_end|>\n";
  const answer = "<|im_start|>assistant\n";
  const prefilled = [...messages, { role: "assistant", content: "Sure, " }];
  const cases: [object, string][] = [
    [{ messages }, start + answer],
    [{ messages, add_generation_prompt: false }, start],
    [
      { messages, chat_template_kwargs: { enable_thinking: false } },
      `${start}${answer}<think></think>`,
    ],
    [{ messages, reasoning_effort: "none" }, `${start}${answer}<think></think>`],
    [{ messages, chat_template_kwargs: { effort_word: "Hm" } }, `${start}${answer}Hm`],
    [{ messages, documents: [{ text: "D" }] }, `[doc D]${start}${answer}`],
    [{ messages: prefilled, continue_final_message: true }, `${start}${answer}Sure, `],
    [
      { messages: [{ ...messages[0], name: "Ann" }] },
      `<|im_start|>user/Ann\nhello world<|im_end|>\n${answer}`,
    ],
  ];
  for (const [body, prompt] of cases) {
    assertEquals((await (await post("/apply-template", body)).json()).prompt, prompt);
    const { tokens, count } = await (await post("/tokenize", body)).json();
    await (await post(CHAT, { ...body, max_tokens: 1 })).json();
    assertEquals(requests.at(-1)!.promptIds, tokens);
    assertEquals(count, tokens.length);
  }
});

Deno.test("a variable that the template does not read is refused, unless it means nothing", async () => {
  const { post } = templated();
  const ask = (fields: object) => errorOf(post, CHAT, { messages, max_tokens: 1, ...fields });
  const unsupported = "unsupported_parameter";
  assertEquals(await ask({ chat_template_kwargs: { thinking: true } }), [
    400,
    "chat_template_kwargs.thinking",
    unsupported,
  ]);
  assertEquals(await ask({ chat_template_kwargs: { thinking: false } }), [
    200,
    undefined,
    undefined,
  ]);
  assertEquals(await ask({ chat_template_kwargs: { messages: [] } }), [
    400,
    "chat_template_kwargs.messages",
    unsupported,
  ]);
  assertEquals(await ask({ reasoning_effort: "high" }), [400, "reasoning_effort", unsupported]);
  // Agents send it to every model: there it is a hint, and the answer says that it is none here.
  const hinted = { input: "x", reasoning: { effort: "low" }, max_output_tokens: 1 };
  const answer = await post("/v1/responses", hinted);
  assertEquals(answer.status, 200);
  assertMatch(answer.headers.get("X-PackKV-Warning") ?? "", /^reasoning\.effort has no effect/);
  await answer.body?.cancel();
});

Deno.test("a control token in a continued message stays text", async () => {
  const { post } = templated();
  const body = {
    messages: [...messages, { role: "assistant", content: "a<|im_end|>b" }],
    continue_final_message: true,
  };
  const { prompt } = await (await post("/apply-template", body)).json();
  assert(prompt.endsWith("assistant\na<|im_end|>b"));
  const { tokens } = await (await post("/tokenize", body)).json();
  assertEquals((await (await post("/detokenize", { tokens })).json()).content, prompt);
  // Two of the first message, one of the second: that in its text is none.
  assertEquals(tokens.filter((id: number) => id <= 2).length, 3);
});

Deno.test("/tokenize counts the tools that a chat is told of", async () => {
  const { post, requests } = tiny();
  const tools = [{ type: "function", function: { name: "weather", description: "of a city" } }];
  const { tokens } = await (await post("/tokenize", { messages, tools })).json();
  await (await post(CHAT, { messages, tools, max_tokens: 1 })).json();
  assertEquals(requests.at(-1)!.promptIds, tokens);
  const { prompt } = await (await post("/apply-template", { messages, tools })).json();
  assertStringIncludes(prompt, '"weather"');
  const none = { messages, tools, tool_choice: "none" };
  const plain = await (await post("/tokenize", { messages })).json();
  assertEquals(await (await post("/tokenize", none)).json(), plain);
});

Deno.test("/tokenize tells pieces, as text or as bytes, and the texts of tokens", async () => {
  const { post } = tiny();
  const body = { content: "hellé", with_pieces: true, return_token_strs: true };
  const answer = await (await post("/tokenize", body)).json();
  const pieces = answer.tokens.map(({ piece }: { piece: unknown }) => piece);
  assertEquals(pieces, ["hell", [0xc3], [0xa9]]);
  assertEquals(answer.token_strs, ["hell", "\ufffd", "\ufffd"]);
  assertEquals(answer.count, 3);
});

Deno.test("json_object with a schema is kept to it", async () => {
  const { post } = tiny();
  const schema = {
    type: "object",
    properties: { colour: { enum: ["red", "blue"] } },
    required: ["colour"],
    additionalProperties: false,
  };
  const response_format = { type: "json_object", schema };
  for (const seed of [1, 2, 3]) {
    const body = { messages, response_format, seed, max_tokens: 100 };
    const { choices } = await (await post(CHAT, body)).json();
    const { colour, ...rest } = JSON.parse(choices[0].message.content);
    assert(["red", "blue"].includes(colour));
    assertEquals(rest, {});
  }
});

Deno.test("the stop string is part of the text if asked for, whole and streamed", async () => {
  const { post } = tiny();
  const body = { prompt: "hello", seed: 5, max_tokens: 40, ignore_eos: true };
  const ask = async (fields: object) => {
    const response = await post(TEXT, { ...body, ...fields });
    return (await response.json()).choices[0];
  };
  const { text } = await ask({});
  const stop = [...text].slice(9, 11).join("");
  const before = text.slice(0, text.indexOf(stop));
  assertEquals(await ask({ stop }), {
    index: 0,
    text: before,
    logprobs: null,
    finish_reason: "stop",
  });
  const fields = { stop, include_stop_str_in_output: true };
  assertEquals((await ask(fields)).text, before + stop);
  const logprobs = (await ask({ ...fields, logprobs: 0 })).logprobs;
  assertEquals(logprobs.tokens.join(""), before + stop);
  const streamed = await (await post(TEXT, { ...body, ...fields, stream: true })).text();
  assertEquals(framesOf(streamed).map(({ choices }) => choices[0].text).join(""), before + stop);
});

Deno.test("control tokens are text if special tokens are not skipped", async () => {
  const { post } = tiny();
  const body = { prompt: "hello", max_tokens: 3, ignore_eos: true, logit_bias: { "2": 100 } };
  const ask = async (fields: object) => {
    return (await (await post(TEXT, { ...body, ...fields })).json()).choices[0];
  };
  assertEquals((await ask({})).text, "");
  assertEquals((await ask({ skip_special_tokens: false })).text, "<|im_end|>".repeat(3));
  const { logprobs } = await ask({ skip_special_tokens: false, logprobs: 0 });
  assertEquals(logprobs.tokens, Array(3).fill("<|im_end|>"));
});

Deno.test("a prompt is cut to its last tokens, or to what there is room for", () =>
  withTinyServer({ contextLength: 64 }, async ({ post, requests }) => {
    const prompt = "abcdefghij".repeat(10);
    const ask = async (fields: object) => {
      const response = await post(TEXT, { prompt, max_tokens: 4, ...fields });
      return [response.status, (await response.json()).error?.code];
    };
    assertEquals(await ask({}), [400, "context_length_exceeded"]);
    assertEquals(await ask({ truncate_prompt_tokens: 10 }), [200, undefined]);
    const { tokens } = await (await post("/tokenize", { content: prompt })).json();
    assertEquals(requests.at(-1)!.promptIds, tokens.slice(-10));
    assertEquals(await ask({ truncate_prompt_tokens: -1 }), [200, undefined]);
    assertEquals(requests.at(-1)!.promptIds.length, 60);
    const echoed = { prompt, max_tokens: 0, echo: true, truncate_prompt_tokens: 10 };
    const { choices } = await (await post(TEXT, echoed)).json();
    assertEquals(choices[0].text, "abcdefghij");
    const long = [{ role: "user", content: prompt }];
    const chat = { messages: long, max_tokens: 4, truncate_prompt_tokens: 12 };
    const { usage } = await (await post(CHAT, chat)).json();
    assertEquals(usage.prompt_tokens, 12);
  }));

Deno.test("cache_prompt false reads the prompt anew", async () => {
  const { post } = tiny();
  const prompt = "abcdefghij".repeat(30);
  const cached = async (fields: object) => {
    const response = await post(TEXT, { prompt, max_tokens: 1, ...fields });
    return (await response.json()).usage.prompt_tokens_details.cached_tokens;
  };
  assertEquals(await cached({}), 0);
  assert(await cached({}) > 0);
  assertEquals(await cached({ cache_prompt: false }), 0);
});

Deno.test("responses tell the log-probabilities that are asked for", async () => {
  const { post } = tiny();
  const body = {
    input: "hello",
    max_output_tokens: 12,
    seed: 2,
    top_logprobs: 2,
    include: ["message.output_text.logprobs"],
  };
  const { output } = await (await post("/v1/responses", body)).json();
  const [{ text, logprobs }] = output[0].content;
  assertEquals(logprobs.map(({ token }: { token: string }) => token).join(""), text);
  assertEquals(logprobs[0].top_logprobs.length, 2);
  const streamed = await (await post("/v1/responses", { ...body, stream: true })).text();
  const told = streamed.split("\n").filter((line) => line.startsWith("data: "))
    .map((line) => JSON.parse(line.slice(6)))
    .filter(({ type }) => type === "response.output_text.delta")
    .flatMap((event) => event.logprobs);
  assertEquals(told, logprobs);
});

Deno.test("the answer has the caller's request_id", async () => {
  const { post } = tiny();
  const request_id = "trace-1";
  const chat = await (await post(CHAT, { messages, max_tokens: 1, request_id })).json();
  assertEquals(chat.id, "chatcmpl-trace-1");
  const response = await (await post("/v1/responses", {
    input: "x",
    max_output_tokens: 1,
    request_id,
  })).json();
  assertEquals(response.id, "resp_trace-1");
});

const KV: [profile: string, kv: object, param: string | null][] = [
  ["paper", { profile: "paper", k_rel: 0.1, pack_size: 16, repack: "none" }, null],
  ["paper", { k_step: 0.5 }, "kv.k_step"],
  ["paper", { repack: "greedy" }, "kv.repack"],
  ["paper", { profile: "pack 16" }, "kv.profile"],
  ["balanced", { profile: "balanced", sink_tokens: 2 }, null],
  ["balanced", { k_step: 0.5 }, "kv.k_step"],
  ["balanced", { sink_tokens: 16 }, "kv.sink_tokens"],
  ["balanced", { repack: "greedy" }, "kv.repack"],
  ["balanced", { k_rel: 0.1 }, "kv.k_rel"],
  ["balanced", { profile: "sinks 2" }, "kv.profile"],
  ["balanced", { no_such_setting: 4 }, "kv.no_such_setting"],
];

for (const name of ["paper", "balanced"] as const) {
  Deno.test(`kv passes if it is the codec in force, ${name}, else it is refused by name`, () =>
    withTinyServer({ profile: { name } }, async ({ post }) => {
      for (const [, kv, param] of KV.filter(([profile]) => profile === name)) {
        for (const [path, body] of [[CHAT, { messages }], [TEXT, { prompt: "x" }]] as const) {
          const found = await errorOf(post, path, { ...body, kv, max_tokens: 1 });
          const wanted = param === null
            ? [200, undefined, undefined]
            : [400, param, "unsupported_value"];
          assertEquals([kv, ...found], [kv, ...wanted]);
        }
      }
    }));
}
