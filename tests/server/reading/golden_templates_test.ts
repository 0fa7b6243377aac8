/** Calls in the forms of 70 real templates: rendered by the template, read back as they were. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { renderChat } from "../../../server/openai/chat_prompt.ts";
import { type Message, toTemplateMessages } from "../../../server/openai/past_messages.ts";
import { AnswerReader, type ReadingPlan } from "../../../server/reading/answer_reader.ts";
import { callGrammar } from "../../../server/reading/call_grammar.ts";
import { CALL_FORMS, callFormOf } from "../../../server/reading/call_forms.ts";
import type { SizedPart } from "../../../server/reading/parts.ts";
import { endsInReasoning } from "../../../server/reading/reasoning_forms.ts";
import { toolOptions, traitsOf } from "../../../server/reading/template_traits.ts";
import type { ServedModel } from "../../../server/state.ts";
import { directPromptReader } from "../../../src/tokenizer/prompt_reader.ts";
import { GgufMetadata } from "../../../src/gguf/metadata.ts";
import { createChatTemplate } from "../../../src/tokenizer/chat_template.ts";
import { createTokenizer } from "../../../src/tokenizer/tokenizer.ts";
import type { ChatTemplate } from "../../../src/tokenizer/types.ts";
import { grammarText } from "../../../src/grammar/compile.ts";
import { Matcher } from "../../grammar/matcher.ts";
import { sharedFile } from "../../support/shared.ts";
import { tinyVocabularyMetadata } from "../../support/tiny_vocabulary.ts";

const FOLDER = sharedFile("golden/templates");

const functions = [
  {
    name: "get_weather",
    parameters: {
      type: "object",
      properties: {
        city: { type: "string", description: "Its name" },
        days: { type: "integer", description: "How many" },
        wait: { type: "boolean", description: "Whether" },
      },
      required: ["city"],
    },
  },
  {
    name: "edit-file",
    parameters: {
      type: "object",
      properties: { old: { type: "string", description: "Text" } },
      required: ["old"],
    },
  },
];
const tools = functions.map((each) => ({
  type: "function",
  function: { description: "A function", ...each },
}));

/** Arguments that are easily mistaken: text with quotes, marks and line feeds, JSON as text. */
const CALLS: [name: string, args: Record<string, unknown>][] = [
  ["get_weather", {
    city: 'Ålesund "N" \\ 🙂\n{x}',
    days: 2,
    wait: true,
    more: { a: 1.5, b: [true, "c"] },
  }],
  ["edit-file", { old: "12\n  if (a < b && c > d) { }" }],
];

interface Read {
  calls: [name: string, args: unknown][];
  content: string;
  reasoning: string;
}

function joined(parts: readonly SizedPart[]): Read {
  const texts: [string, string][] = [];
  const read: Read = { calls: [], content: "", reasoning: "" };
  for (const part of parts) {
    if (part.type === "call") texts.push([part.name, ""]);
    else if (part.type === "arguments") texts[part.callIndex][1] += part.text;
    else if (part.type !== "markup") read[part.type] += part.text;
  }
  return { ...read, calls: texts.map(([name, text]) => [name, JSON.parse(text)]) };
}

/** An answer with its calls as the template writes it behind the prompt; null if it does not. */
function answerOf(template: ChatTemplate, calls: typeof CALLS): { prompt: string; text: string } {
  const user: Message = { role: "user", content: "Both" };
  const past = calls.map(([name, args], index) => {
    return { id: `callabcd${index}`, name, arguments: JSON.stringify(args) };
  });
  const messages: Message[] = [user, { role: "assistant", content: "", calls: past }];
  const results = past.map(({ id }): Message => ({
    role: "tool",
    content: "RESULT",
    resultOf: id,
  }));
  const { describesTools } = traitsOf(template);
  const given = toolOptions(template, describesTools ? tools : null);
  const render = (list: Message[], addGenerationPrompt: boolean) =>
    template.render(toTemplateMessages(list, template), { addGenerationPrompt, ...given }).text;
  const prompt = render([user], true);
  const whole = render([...messages, ...results], false);
  // Without thoughts some templates close them, or leave their marks out.
  let at = 0;
  while (at < prompt.length && prompt[at] === whole[at]) at++;
  // Where one mark differs from another, it differs from its beginning on.
  const mark = prompt.lastIndexOf("<", at - 1);
  if (mark >= 0 && !prompt.slice(mark, at).includes(">")) at = mark;
  return { prompt: prompt.slice(0, at), text: whole.slice(at, whole.lastIndexOf("RESULT")) };
}

function planOf(template: ChatTemplate, prompt: string): ReadingPlan {
  const { calls, reasoning, idLength } = traitsOf(template);
  const beginsInReasoning = reasoning !== null && endsInReasoning(prompt, reasoning);
  return { calls, functions, reasoning, beginsInReasoning, idLength };
}

function readIn(plan: ReadingPlan, pieces: readonly string[]): Read {
  const reader = new AnswerReader(plan);
  return joined([...pieces.flatMap((piece) => reader.push(piece)), ...reader.flush(false)]);
}

/** Templates that refuse earlier calls, in Python too: a list is appended to. */
const REFUSING_CALLS = ["Kimi-K2-Instruct", "Kimi-K2-Thinking"];

/** Forms of calls in marks and in messages that a grammar holds. */
const HELD = [
  "deepseek-v3.2",
  "deepseek-v4",
  "glm",
  "gpt-oss",
  "hunyuan",
  "kimi-k3",
  "minicpm",
  "minimax-m2",
  "minimax-m3",
  "muse",
  "qwen3-coder",
  "seed-oss",
];

/** Templates that know nothing of tools. */
const WITHOUT_CALLS = [
  "HuggingFaceTB-SmolLM3-3B",
  "google-gemma-2-2b-it",
  "llama-cpp-rwkv-world",
  "microsoft-Phi-3.5-mini-instruct",
];

const sources = FOLDER === null
  ? []
  : [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) => name.endsWith(".jinja"))
    .sort().map((name) => ({
      name: name.replace(".jinja", ""),
      source: Deno.readTextFileSync(`${FOLDER}/${name}`),
    }));

const metadata = tinyVocabularyMetadata();
const tokenizer = createTokenizer(new GgufMetadata(metadata), new Map());

function templateOf(source: string): ChatTemplate {
  const changed = { ...metadata, "tokenizer.chat_template": source };
  return createChatTemplate(new GgufMetadata(changed), tokenizer);
}

Deno.test("every golden template that knows tools teaches a form that is known", () => {
  const unknown = sources.filter(({ source }) => callFormOf(source) === null);
  assertEquals(
    unknown.map(({ name }) => name).filter((name) => !WITHOUT_CALLS.includes(name)),
    [],
  );
});

let roundTripCount = 0;

for (const { name, source } of sources) {
  const template = templateOf(source);
  const { isSingleCall } = traitsOf(template);
  if ([...WITHOUT_CALLS, ...REFUSING_CALLS].includes(name)) continue;
  roundTripCount++;
  Deno.test(`a call that ${name} renders is read as it was, streamed at every split`, () => {
    const calls = isSingleCall ? CALLS.slice(0, 1) : CALLS;
    const { prompt, text } = answerOf(template, calls);
    const plan = planOf(template, prompt);
    const once = readIn(plan, [text]);
    assertEquals(once.calls, calls, text);
    assertEquals(once.reasoning, "", text);
    assertEquals(readIn(plan, [...text]), once);
    // Both halves of 🙂 are one piece.
    for (let first = 1; first < text.length; first++) {
      const pieces = [text.slice(0, first), text.slice(first)];
      assertEquals(readIn(plan, pieces), once, `split at ${first}`);
    }
  });
}

Deno.test("calls in marks that templates render are what the grammar of tool_choice auto lets them be", async () => {
  const matcher = new Matcher();
  const held: string[] = [];
  try {
    for (const { name, source } of sources) {
      const template = templateOf(source);
      const traits = traitsOf(template);
      if (traits.calls.kind !== "tagged" && traits.calls.kind !== "headers") continue;
      const callable = functions.map((each) => ({ ...each, isStrict: false }));
      const rule = { callable, isRequired: false, isParallel: true };
      const grammar = callGrammar(traits.calls, rule, traits);
      if (grammar === null) continue;
      held.push(traits.calls.name);
      const whole = answerOf(template, traits.isSingleCall ? CALLS.slice(0, 1) : CALLS).text;
      // This token ends an answer.
      const [text] = whole.split("<|call|>");
      const accepted = await matcher.accepts(grammarText(grammar).text, [text]);
      assertEquals([name, accepted], [name, [true]], text);
    }
  } finally {
    matcher.end();
  }
  if (FOLDER !== null) assertEquals(new Set(held), new Set(HELD));
});

Deno.test("64 of 70 golden templates render calls here", () => {
  if (FOLDER !== null) assertEquals(roundTripCount, 64);
});

Deno.test("tools that a template does not describe are described in the form in which it writes calls", async () => {
  const found = sources.find(({ name }) => name === "deepseek-ai-DeepSeek-V3.1");
  if (found === undefined) return;
  const chatTemplate = templateOf(found.source);
  const traits = traitsOf(chatTemplate);
  assertEquals(
    [traits.describesTools, traits.calls.name, traits.pastArguments],
    [false, "deepseek-v3.1", "object"],
  );
  const prompts = directPromptReader(tokenizer, chatTemplate);
  const used = functions.map((each) => ({ description: "A function", isStrict: false, ...each }));
  const toolUse = { tools: used, callable: used, isRequired: false, isParallel: true };
  const user = { role: "user", content: "Both" };
  const conversation = { messages: [user], toolUse, addGenerationPrompt: true };
  const none = { continuesFinal: false, variables: [] };
  const model = { chatTemplate, prompts } as unknown as ServedModel;
  const { text } = await renderChat(model, { ...conversation, ...none });
  assertStringIncludes(text, "get_weather");
  const call = '<｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{"KEY": "VALUE"}<｜tool▁call▁end｜>';
  assertStringIncludes(text, call);
});

Deno.test("an empty element of MiniMax M3 is the empty value of the one type that is wanted", () => {
  const calls = CALL_FORMS.find(({ name }) => name === "minimax-m3")!;
  const parameters = {
    type: "object",
    properties: { list: { type: "array" }, map: { type: "object" }, text: { type: "string" } },
  };
  const plan: ReadingPlan = {
    calls,
    functions: [{ name: "f", parameters }],
    reasoning: null,
    beginsInReasoning: false,
    idLength: null,
  };
  const element = (name: string) => `]<]minimax[>[<${name}>]<]minimax[>[</${name}>`;
  const text = `]<]minimax[>[<tool_call>]<]minimax[>[<invoke name="f">${element("list")}` +
    `${element("map")}${element("text")}]<]minimax[>[</invoke>]<]minimax[>[</tool_call>`;
  assertEquals(readIn(plan, [text]).calls, [["f", { list: [], map: {}, text: "" }]]);
});
