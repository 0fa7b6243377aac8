/** Thoughts are told apart from the answer, in chats and responses. */

import { assert, assertEquals } from "@std/assert";
import type { ChatTemplate } from "../../src/tokenizer/types.ts";
import { FAKE_TEMPLATE, FAKE_TOKENIZER, tokensOf } from "../support/fake_engine.ts";
import { framesOf, harness } from "./harness.ts";

const CHAT = "/v1/chat/completions";
const messages = [{ role: "user", content: "hi" }];

/** A template with thoughts, begun by the prompt if it is asked to. */
function thinking(opens: boolean): ChatTemplate {
  return {
    source: "<think></think> enable_thinking reasoning_content",
    reads: (name) => name === "enable_thinking",
    render(list, options) {
      const { text } = FAKE_TEMPLATE.render(
        list.map(({ extra, ...each }) => ({
          ...each,
          content: `${extra?.reasoning_content ?? ""}|${each.content}`,
        })),
        options,
      );
      const wants = options.variables?.enable_thinking ?? opens;
      const prompt = text + (wants ? "<think>\n" : "");
      return { ids: FAKE_TOKENIZER.tokenize(prompt, { parseSpecial: false }), text: prompt };
    },
  };
}

const ANSWERS = [
  { opens: false, text: "<think>\nLet me\n see.\n</think>\n\nYes." },
  { opens: true, text: "Let me\n see.\n</think>\n\nYes." },
];

for (const { opens, text } of ANSWERS) {
  const options = { model: { chatTemplate: thinking(opens) } };
  const script = () => tokensOf(text);

  Deno.test(`thoughts are reasoning_content and counted (prompt begins them: ${opens})`, async () => {
    const { post } = harness(script, options);
    const answer = await (await post(CHAT, { messages })).json();
    const { message } = answer.choices[0];
    assertEquals([message.content, message.reasoning_content], ["Yes.", "Let me\n see."]);
    const thoughts = text.slice(0, text.indexOf("</think>") + "</think>".length);
    const { reasoning_tokens } = answer.usage.completion_tokens_details;
    // Whether a first mark is one is known with its last token.
    assertEquals(
      reasoning_tokens,
      opens ? thoughts.length : thoughts.length - "<think>".length + 1,
    );
  });

  Deno.test(`thoughts are streamed as they come (prompt begins them: ${opens})`, async () => {
    const { post } = harness(script, options);
    const frames = framesOf(await (await post(CHAT, { messages, stream: true })).text());
    const deltas = frames.map(({ choices }) => choices[0].delta);
    const join = (name: string) => deltas.map((delta) => delta[name] ?? "").join("");
    assertEquals([join("content"), join("reasoning_content")], ["Yes.", "Let me\n see."]);
    assert(deltas.filter((delta) => delta.reasoning_content).length > 5);
  });

  Deno.test(`thoughts are an item of a response (prompt begins them: ${opens})`, async () => {
    const { post } = harness(script, options);
    const { output, usage } = await (await post("/v1/responses", { input: "hi" })).json();
    assertEquals(output.map(({ type }: { type: string }) => type), ["reasoning", "message"]);
    assertEquals(output[0].content, [{ type: "reasoning_text", text: "Let me\n see." }]);
    assertEquals(output[1].content[0].text, "Yes.");
    assert(usage.output_tokens_details.reasoning_tokens > 10);
  });

  Deno.test(`log-probabilities cover thoughts and text (prompt begins them: ${opens})`, async () => {
    const { post } = harness(script, options);
    const { choices } = await (await post(CHAT, { messages, logprobs: true })).json();
    const tokens = choices[0].logprobs.content.map(({ token }: { token: string }) => token);
    assertEquals(tokens.join(""), text);
  });
}

Deno.test("thoughts of earlier answers reach a template that reads them", async () => {
  const { post, engine } = harness(() => tokensOf("ok"), {
    model: { chatTemplate: thinking(false) },
  });
  for (const name of ["reasoning_content", "reasoning"]) {
    const past = { role: "assistant", content: "Yes.", [name]: "Hm" };
    await (await post(CHAT, { messages: [...messages, past, ...messages] })).json();
  }
  for (const { promptIds } of engine.requests) {
    assertEquals(
      FAKE_TOKENIZER.detokenize(promptIds),
      "[user]|hi[assistant]Hm|Yes.[user]|hi[assistant]",
    );
  }
});

Deno.test("enable_thinking and reasoning_effort switch thoughts of a template that can", async () => {
  const { post, engine } = harness(() => tokensOf("ok"), {
    model: { chatTemplate: thinking(false) },
  });
  const asked: [object, boolean][] = [
    [{ enable_thinking: true }, true],
    [{ enable_thinking: false }, false],
    [{ reasoning_effort: "none" }, false],
  ];
  for (const [fields] of asked) await (await post(CHAT, { messages, ...fields })).json();
  assertEquals(
    engine.requests.map(({ promptIds }) =>
      FAKE_TOKENIZER.detokenize(promptIds).includes("<think>")
    ),
    asked.map(([, thinks]) => thinks),
  );
});

Deno.test("a budget of thoughts ends them, and the answer goes on behind the mark", async () => {
  const script = (_: unknown, index: number) => tokensOf(index === 0 ? "one two three" : "Yes.");
  const { post, engine } = harness(script, { model: { chatTemplate: thinking(true) } });
  const answer = await (await post(CHAT, { messages, thinking_token_budget: 5 })).json();
  const { message } = answer.choices[0];
  assertEquals([message.reasoning_content, message.content], ["one t", "Yes."]);
  const prompts = engine.requests.map(({ promptIds }) => FAKE_TOKENIZER.detokenize(promptIds));
  assertEquals(prompts[1], `${prompts[0]}one t\n</think>\n\n`);
  const { completion_tokens, prompt_tokens, completion_tokens_details } = answer.usage;
  assertEquals([completion_tokens, prompt_tokens], [9, prompts[0].length]);
  assertEquals(completion_tokens_details.reasoning_tokens, 5);
});

Deno.test("a grammar lets thoughts come first, begun or not", async () => {
  for (const opens of [true, false]) {
    const { post, engine } = harness(() => tokensOf("{}"), {
      model: { chatTemplate: thinking(opens) },
    });
    await (await post(CHAT, { messages, response_format: { type: "json_object" } })).json();
    const { grammar } = engine.requests[0];
    assertEquals(grammar?.reasoning, { open: opens ? null : "<think>", close: "</think>" });
  }
});
