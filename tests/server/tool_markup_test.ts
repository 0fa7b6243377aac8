/** The marks around calls never reach a client, wherever an answer ends. */

import { assert, assertEquals } from "@std/assert";
import { AnswerReader } from "../../server/reading/answer_reader.ts";
import { HERMES } from "../../server/reading/call_forms.ts";
import type { SizedPart } from "../../server/reading/parts.ts";
import { tokensOf } from "../support/fake_engine.ts";
import { framesOf } from "./harness.ts";
import { type Post, withFakeServer, withTinyServer } from "./socket_servers.ts";

const ROOM = { info: { contextLength: 4000 } };
const parameters = { type: "object", properties: { city: { type: "string" } } };
const chatTools = [
  { type: "function", function: { name: "weather", parameters } },
  { type: "function", function: { name: "time" } },
];
const responsesTools = chatTools.map((tool) => ({ type: "function", ...tool.function }));

const ARGUMENTS = ['{"city":{"a":"Bo{}\\nnn"}}', "{}"];
const HEADS = ["weather", "time"].map((name) => `<tool_call>\n{"name": "${name}", "arguments": `);
const END = "}\n</tool_call>";
const TEXT = `A <b>\n${HEADS[0]}${ARGUMENTS[0]}${END}\n${HEADS[1]}${ARGUMENTS[1]}${END}`;

/** An answer as clients see it. */
interface Seen {
  content: string;
  calls: [name: string, args: string][];
  reason: string;
}

/** What is to be seen of the first `length` characters of {@link TEXT}. */
function expected(length: number): Omit<Seen, "reason"> {
  const spans = HEADS.map((head, index) => {
    const begin = TEXT.indexOf(head) + head.length;
    return { begin, end: begin + ARGUMENTS[index].length };
  });
  // A call has begun with the colon before its arguments.
  const calls = spans.filter(({ begin }) => begin - 1 <= length).map(({ begin, end }, index) => {
    const name = index === 0 ? "weather" : "time";
    return [name, TEXT.slice(begin, Math.min(length, end))] as [string, string];
  });
  const content = TEXT.slice(0, Math.min(length, TEXT.indexOf(HEADS[0])));
  // A last "<" may begin a call.
  return { content: content === "A <" ? "A " : content, calls };
}

interface Call {
  index?: number;
  id?: string;
  function: { name?: string; arguments: string };
}

/** Joins the deltas of calls. */
function joinCalls(deltas: readonly Call[]): Seen["calls"] {
  const calls: Seen["calls"] = [];
  for (const { index, function: { name, arguments: text } } of deltas) {
    if (name !== undefined) calls.push([name, text]);
    else calls[index!][1] += text;
  }
  return calls;
}

async function askChat(post: Post, fields: object, stream: boolean): Promise<Seen> {
  const messages = [{ role: "user", content: "hi" }];
  const body = { messages, tools: chatTools, stream, ...fields };
  const text = await (await post("/v1/chat/completions", body)).text();
  if (!stream) {
    const { message, finish_reason: reason } = JSON.parse(text).choices[0];
    const calls = (message.tool_calls ?? []).map((call: Call) => Object.values(call.function));
    return { content: message.content ?? "", calls, reason };
  }
  const choices = framesOf(text).map((frame) => frame.choices[0]);
  return {
    content: choices.map(({ delta }) => delta.content ?? "").join(""),
    calls: joinCalls(choices.flatMap(({ delta }) => delta.tool_calls ?? [])),
    reason: choices.at(-1).finish_reason,
  };
}

async function askResponses(post: Post, fields: object, stream: boolean): Promise<Seen> {
  const text = await (await post("/v1/responses", {
    input: "hi",
    tools: responsesTools,
    stream,
    ...fields,
  })).text();
  const frames = text.split("\n\n").filter((frame) => frame.startsWith("event: "));
  const events = frames.map((frame) => JSON.parse(frame.split("\ndata: ")[1]));
  const body = stream ? events.at(-1).response : JSON.parse(text);
  const seen: Seen = { content: "", calls: [], reason: body.status };
  for (const item of body.output) {
    if (item.type === "message") seen.content += item.content[0].text;
    else seen.calls.push([item.name, item.arguments]);
  }
  if (stream) {
    const deltasOf = (type: string) =>
      events.filter((event) => event.type === `response.${type}.delta`)
        .map(({ delta }) => delta).join("");
    assertEquals(deltasOf("output_text"), seen.content);
    assertEquals(deltasOf("function_call_arguments"), seen.calls.map(([, args]) => args).join(""));
  }
  return seen;
}

const MODES = [true, false].flatMap((stream) => [
  { mode: `chat, stream ${stream}`, stream, ask: askChat, limit: "max_tokens" },
  { mode: `responses, stream ${stream}`, stream, ask: askResponses, limit: "max_output_tokens" },
]);

for (const { mode, stream, ask, limit } of MODES) {
  Deno.test(`an answer cut at any place shows no part of a mark (${mode})`, () =>
    withFakeServer(() => tokensOf(TEXT), async ({ post }) => {
      await Promise.all(Array.from(TEXT, async (_, index) => {
        const length = index + 1;
        const { content, calls } = await ask(post, { [limit]: length }, stream);
        const shown = JSON.stringify(TEXT.slice(0, length));
        assertEquals({ shown, content, calls }, { shown, ...expected(length) });
      }));
    }, ROOM));

  Deno.test(`the model's own "<tool" at its end is text (${mode})`, () =>
    withFakeServer(() => tokensOf("No <tool"), async ({ post }) => {
      assertEquals((await ask(post, {}, stream)).content, "No <tool");
    }, ROOM));
}

const whole = expected(TEXT.length);
const STOPS: { stop: string[]; seen: Seen }[] = [
  { stop: ["<tool_call>", "name", "}\n"], seen: { ...whole, reason: "tool_calls" } },
  { stop: [">\n<"], seen: { ...whole, reason: "tool_calls" } },
  { stop: ["city"], seen: { ...whole, reason: "tool_calls" } },
  { stop: ["\n"], seen: { content: "A <b>", calls: [], reason: "stop" } },
  { stop: ["<"], seen: { content: "A ", calls: [], reason: "stop" } },
];

for (const stream of [false, true]) {
  Deno.test(`stop strings are looked for in text, not in calls (stream ${stream})`, () =>
    withFakeServer(() => tokensOf(TEXT), async ({ post }) => {
      for (const { stop, seen } of STOPS) {
        assertEquals({ stop, ...await askChat(post, { stop }, stream) }, { stop, ...seen });
      }
    }, ROOM));
}

Deno.test("tokens of an answer with calls are all told of, in their order", () =>
  withFakeServer(() => tokensOf(TEXT), async ({ post }) => {
    const messages = [{ role: "user", content: "hi" }];
    const body = { messages, tools: chatTools, logprobs: true };
    const { choices } = await (await post("/v1/chat/completions", body)).json();
    const told = choices[0].logprobs.content.map(({ token }: { token: string }) => token);
    assertEquals(told.join(""), TEXT);
    const text = await (await post("/v1/chat/completions", { ...body, stream: true })).text();
    const streamed = framesOf(text).flatMap((frame) => frame.choices[0].logprobs?.content ?? []);
    assertEquals(streamed.map(({ token }) => token), told);
  }, ROOM));

Deno.test("an engine that is made to call shows no mark, with a stop string of the mark", () =>
  withTinyServer({}, async ({ post }) => {
    const fields = { tool_choice: "required", stop: ["\n", "<"], seed: 1 };
    for (const stream of [false, true]) {
      for (const limit of [1, 4, 11, 12, 30]) {
        const seen = await askChat(post, { ...fields, max_tokens: limit }, stream);
        assertEquals(seen, { content: "", calls: [], reason: "length" });
      }
      const { content, calls } = await askChat(post, { ...fields, max_tokens: 60 }, stream);
      assertEquals([content, calls.length], ["", 1]);
    }
  }));

/** Pieces in their kinds, each joined. */
function joined(pieces: readonly SizedPart[]): string[] {
  const parts: { kind: string; text: string; length: number }[] = [];
  for (const piece of pieces) {
    const text = piece.type === "call" ? piece.name : piece.type === "markup" ? "" : piece.text;
    const last = parts.at(-1);
    if (last?.kind === piece.type && piece.type !== "call") {
      last.text += text;
      last.length += piece.length;
    } else parts.push({ kind: piece.type, text, length: piece.length });
  }
  return parts.filter(({ kind }) => kind !== "markup").map(({ kind, text }) => `${kind}: ${text}`);
}

const PLAN = {
  calls: HERMES,
  functions: [],
  reasoning: null,
  beginsInReasoning: false,
  idLength: null,
};

const SPLIT_TEXTS = [
  `${TEXT}\n \nDone <tool_call> of <t`,
  `<tool_call><${TEXT}`,
  `a < b\n<tool_cal>${HEADS[1]}{}${END}`,
];

for (const text of SPLIT_TEXTS) {
  Deno.test(`AnswerReader reads ${JSON.stringify(text.slice(-30))} alike at every split`, () => {
    const read = (...parts: string[]) => {
      const reader = new AnswerReader(PLAN);
      const pieces = [...parts.flatMap((part) => reader.push(part)), ...reader.flush(false)];
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
      assertEquals(length, text.length, "every character belongs to a piece");
      return joined(pieces);
    };
    const once = read(text);
    assert(once.some((part) => part.startsWith("call: ")), once.join("\n"));
    for (let first = 1; first < text.length; first++) {
      assertEquals(read(text.slice(0, first), text.slice(first)), once);
    }
    assertEquals(read(...text), once);
  });
}
