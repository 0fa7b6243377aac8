/** Earlier answers that stand in a prompt as they were sampled, by the templates of many models. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { GgufMetadata } from "../../src/gguf/metadata.ts";
import { createChatTemplate } from "../../src/tokenizer/chat_template.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { openingOf, textBeforeTurn } from "../../src/tokenizer/sampled_turns.ts";
import type { ChatMessage, RenderOptions } from "../../src/tokenizer/types.ts";
import { sharedFile } from "../support/shared.ts";
import { TINY_CHAT_TEMPLATE, tinyVocabularyMetadata } from "../support/tiny_vocabulary.ts";

const metadata = new GgufMetadata(tinyVocabularyMetadata());
const tokenizer = createTokenizer(metadata, new Map());
const PROMPT = { addGenerationPrompt: true };

const TOOLS: RenderOptions["tools"] = [{
  type: "function",
  function: {
    name: "read",
    description: "Reads a file",
    parameters: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
  },
}];
const ASKED: ChatMessage[] = [
  { role: "system", content: "You are a coding agent." },
  { role: "user", content: "What is in a.txt?" },
];
const SAMPLED = tokenizer.tokenize("<think>\nI  read it.</think>a call of read", {
  parseSpecial: false,
});
const ANSWERED: ChatMessage = { role: "assistant", content: "", sampledIds: SAMPLED };
const RESULT: ChatMessage = {
  role: "tool",
  content: "it says hello",
  extra: { tool_call_id: "abcdefghi", name: "read" },
};

/** Whether the prompt of a next turn begins with the first one's and its answer. */
function isContinued(source: string, next: ChatMessage, tools?: typeof TOOLS): boolean {
  const template = createChatTemplate(metadata, tokenizer, source);
  const options = { ...PROMPT, ...(tools ? { tools } : {}) };
  const first = template.render(ASKED, options);
  const second = template.render([...ASKED, ANSWERED, next], options);
  const begun = [...first.ids, ...SAMPLED];
  return begun.every((id, index) => second.ids[index] === id);
}

Deno.test("render() puts sampled tokens where the template writes an answer, with the end behind", () => {
  const template = createChatTemplate(metadata, tokenizer, TINY_CHAT_TEMPLATE);
  const first = template.render(ASKED, PROMPT);
  const { ids, text } = template.render([...ASKED, ANSWERED, ASKED[1], ANSWERED], PROMPT);
  const answer = tokenizer.detokenize(SAMPLED);
  assert(text.startsWith(`${first.text}${answer}<|im_end|>\n<|im_start|>user\n`));
  assertEquals(ids.slice(0, first.ids.length + SAMPLED.length), [...first.ids, ...SAMPLED]);
  assertEquals(text.split(answer).length, 3);
});

Deno.test("render() refuses sampled answers that a template writes nowhere, or twice", () => {
  for (
    const source of [
      "{{ messages[0].content }}",
      "{% for m in messages %}{{ m.content + m.content }}{% endfor %}",
    ]
  ) {
    const template = createChatTemplate(metadata, tokenizer, source);
    assertThrows(() => template.render([...ASKED, ANSWERED], PROMPT), EngineError, "no place");
  }
});

Deno.test("textBeforeTurn() gives the beginning that was asked for, whatever thoughts are now", () => {
  const ended = "<|a|>user\nx\n";
  const opening = openingOf(`${ended}<|a|>assistant\n<think>\n`, ended)!;
  assertEquals(opening, { text: "<|a|>assistant\n<think>\n", sign: "<|a|>assistant" });
  for (const now of ["", "<think>\n", "<think>\n\n</think>\n\n", "</think>"]) {
    const before = `<|a|>assistant\nbefore\n${ended}<|a|>assistant\n${now}`;
    const wanted = `<|a|>assistant\nbefore\n${ended}${opening.text}`;
    assertEquals(textBeforeTurn(before, opening), wanted);
  }
  assertEquals(textBeforeTurn("x<|a|>user\n", opening), null);
  assertEquals(openingOf("xxx", "xx"), null, "an answer that begins as a question does");
  const none = openingOf("[I]x[/I]", "[I]x[/I]")!;
  assertEquals(textBeforeTurn("[I]x[/I] ", none), "[I]x[/I]");
});

/** Templates in which the answer is rendered again, as the header of a reply says, and why. */
const WITHOUT = {
  "CohereForAI-c4ai-command-r-plus-tool_use.jinja text": "differs", // the system prompt comes last
  "CohereForAI-c4ai-command-r7b-12-2024-tool_use.jinja call": "differs", // its header differs
  "CohereForAI-c4ai-command-r7b-12-2024-tool_use.jinja text": "differs",
  "MiniMax-M2.jinja call": "refused", // it wants calls before results
  "MiniMax-M3.jinja call": "refused",
  "mistralai-Mistral-Nemo-Instruct-2407.jinja call": "differs", // tools come late
  "mistralai-Mistral-Nemo-Instruct-2407.jinja text": "differs", // so does the system prompt
  "openai-gpt-oss-120b.jinja call": "refused",
};

/** What a template refuses at once, as some do roles, tools or variables that are missing. */
function isFit(source: string, tools?: typeof TOOLS): boolean {
  try {
    const template = createChatTemplate(metadata, tokenizer, source);
    template.render(ASKED, { ...PROMPT, ...(tools ? { tools } : {}) });
    return true;
  } catch {
    return false;
  }
}

Deno.test("a next turn goes on behind the sampled answer in the templates of many models", async () => {
  const folder = sharedFile("golden/templates");
  if (folder === null) return;
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.endsWith(".jinja")).sort();
  const failed: Record<string, string> = {};
  let goodCount = 0;
  for (const name of names) {
    const source = await Deno.readTextFile(`${folder}/${name}`);
    for (const [kind, next] of [["call", RESULT], ["text", ASKED[1]]] as const) {
      const tools = kind === "call" ? TOOLS : undefined;
      if (!isFit(source, tools)) continue;
      try {
        if (isContinued(source, next, tools)) goodCount++;
        else failed[`${name} ${kind}`] = "differs";
      } catch (error) {
        assert(error instanceof EngineError, String(error));
        failed[`${name} ${kind}`] = "refused";
      }
    }
  }
  assertEquals(failed, WITHOUT);
  assert(goodCount >= 120, `${goodCount} of ${2 * names.length}`);
});
