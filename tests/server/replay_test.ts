/** Conversations that clients send back otherwise than they were: what the model reads then. */

import { assert, assertEquals } from "@std/assert";
import { type ConversationOptions, Conversations } from "../../server/replay/conversations.ts";
import { PIN_HEADER } from "../../server/replay/pin_header.ts";
import { REPLAY_HEADER } from "../../server/replay/report_header.ts";
import { TurnFile, turnFilePath } from "../../server/replay/turn_file.ts";
import { TurnMemory } from "../../server/replay/turn_memory.ts";
import { GgufMetadata } from "../../src/gguf/metadata.ts";
import { createChatTemplate } from "../../src/tokenizer/chat_template.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { tinyVocabularyMetadata } from "../support/tiny_vocabulary.ts";
import { harness } from "./harness.ts";

/** As Qwen3's: thoughts of turns before the last question are dropped, arguments are objects. */
const TEMPLATE = [
  "{%- if tools %}<|im_start|>system\n{{ messages[0].content }}\n<tools>",
  "{%- for tool in tools %}\n{{ tool | tojson }}{% endfor %}\n</tools>\n",
  '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>',
  "<|im_end|>\n{%- else %}<|im_start|>system\n{{ messages[0].content }}<|im_end|>\n{%- endif %}",
  "{%- for m in messages[1:] %}",
  "{%- if m.role == 'tool' %}<|im_start|>user\n<tool_response>\n{{ m.content }}\n</tool_response>",
  "{%- else %}<|im_start|>{{ m.role }}\n",
  "{%- if m.reasoning_content and loop.last %}<think>\n{{ m.reasoning_content }}\n</think>\n\n",
  "{%- endif %}{{ m.content }}{%- endif %}",
  '{%- for call in m.tool_calls or [] %}\n<tool_call>\n{"name": "{{ call.function.name }}", ',
  '"arguments": {{ call.function.arguments | tojson }}}\n</tool_call>{% endfor %}<|im_end|>\n',
  "{%- endfor %}{%- if add_generation_prompt %}<|im_start|>assistant\n{%- endif %}",
].join("");

const metadata = new GgufMetadata({
  ...tinyVocabularyMetadata(),
  "tokenizer.chat_template": TEMPLATE,
});
const tokenizer = createTokenizer(metadata, new Map());
const chatTemplate = createChatTemplate(metadata, tokenizer);
const tokensOf = (text: string) => tokenizer.tokenize(text, { parseSpecial: false });

/** Spaces as no renderer writes them. */
const CALL =
  '<tool_call>\n{"name":"edit", "arguments":  {"path": "a.ts", "line": 3}}\n</tool_call>';
const SAMPLED = `<think>\nI had better look.\n</think>\n\nLet me  see.\n${CALL}`;

function served(sampled: string | readonly string[], options: ConversationOptions = {}) {
  const texts = typeof sampled === "string" ? [sampled] : sampled;
  const conversations = new Conversations(options);
  const { engine, post } = harness(
    (_, index) => tokensOf(texts[Math.min(index, texts.length - 1)]),
    {
      model: { tokenizer, chatTemplate, conversations },
      info: { contextLength: 8000, vocabSize: 288 },
    },
  );
  /** Whether the newest prompt begins with the first one and what was sampled then. */
  const goesOn = () => {
    const begun = [...engine.requests[0].promptIds, ...tokensOf(texts[0])];
    const { promptIds } = engine.requests.at(-1)!;
    return begun.every((id, index) => promptIds[index] === id);
  };
  const newest = () => tokenizer.detokenize([...engine.requests.at(-1)!.promptIds]);
  return { engine, post, goesOn, newest };
}

const parameters = {
  type: "object",
  properties: { path: { type: "string" }, line: { type: "integer" } },
};
const tools = [{ type: "function", function: { name: "edit", parameters } }];
const asked = [
  { role: "system", content: "You edit code." },
  { role: "user", content: "Mend line 3." },
];
const CHAT = "/v1/chat/completions";

/** A first turn of a chat: its message and the first call's id. */
async function firstTurn(server: ReturnType<typeof served>) {
  const response = await server.post(CHAT, { messages: asked, tools });
  assertEquals(response.headers.get(REPLAY_HEADER), null);
  const { message } = (await response.json()).choices[0];
  return { message, id: message.tool_calls?.[0].id as string };
}

function secondTurn(answer: object, id: string) {
  const result = { role: "tool", tool_call_id: id, content: "done" };
  return { messages: [...asked, { role: "assistant", ...answer }, result], tools };
}

/** What clients make of a call's arguments and the text beside it. */
const WRITTEN = [
  { why: "as it came", content: "Let me  see.\n", args: '{"path": "a.ts", "line": 3}' },
  { why: "other space", content: " Let me see.", args: '{ "path":"a.ts",\n"line":3 }' },
  { why: "other key order", content: "Let me  see.", args: '{"line":3,"path":"a.ts"}' },
  { why: "no text beside the call", content: null, args: '{"path":"a.ts","line":3}' },
];

for (const { why, content, args } of WRITTEN) {
  for (const keepsThoughts of [true, false]) {
    const thoughts = keepsThoughts ? "with" : "without";
    Deno.test(`POST ${CHAT} goes on behind what was sampled (${why}, ${thoughts} its reasoning)`, async () => {
      const server = served(SAMPLED);
      const { message, id } = await firstTurn(server);
      assertEquals(message.reasoning_content, "I had better look.");
      const call = { id, type: "function", function: { name: "edit", arguments: args } };
      const response = await server.post(
        CHAT,
        secondTurn({
          content,
          tool_calls: [call],
          ...(keepsThoughts ? { reasoning_content: message.reasoning_content } : {}),
        }, id),
      );
      assertEquals(response.headers.get(REPLAY_HEADER), "answers=1");
      assert(server.goesOn(), server.newest());
      const end = `${SAMPLED}<|im_end|><|im_start|>user\n<tool_response>\ndone`;
      assert(server.newest().includes(end), server.newest());
    });
  }
}

Deno.test("an answer that a client changed is what the client made of it", async () => {
  const changes = [
    { name: "edit", arguments: '{"path": "b.ts", "line": 3}' },
    { name: "write", arguments: '{"path": "a.ts", "line": 3}' },
  ];
  for (const change of changes) {
    const server = served(SAMPLED);
    const { id } = await firstTurn(server);
    const call = { id, type: "function", function: change };
    const answer = { content: "Let me see.", tool_calls: [call] };
    const response = await server.post(CHAT, secondTurn(answer, id));
    assertEquals(response.headers.get(REPLAY_HEADER), null);
    assert(!server.goesOn());
    assert(server.newest().includes(`"name": "${change.name}"`), server.newest());
  }
  const server = served(SAMPLED);
  const { message, id } = await firstTurn(server);
  const other = { ...message, reasoning_content: "I had better not look." };
  await server.post(CHAT, secondTurn(other, id));
  assert(!server.goesOn());
});

Deno.test("answers without calls are found by their place in the conversation alone", async () => {
  const server = served("<think>\nEasy.\n</think>\n\nIt is  done.");
  await firstTurn(server);
  const more = [{ role: "assistant", content: "It is done." }, { role: "user", content: "Sure?" }];
  const again = await server.post(CHAT, { messages: [...asked, ...more], tools });
  assertEquals(again.headers.get(REPLAY_HEADER), "answers=1");
  assert(server.goesOn());
  // Another user's words before it, or another salt: its thoughts are nobody else's.
  const elsewhere = [{ ...asked[0], content: "You write prose." }, asked[1], ...more];
  for (
    const body of [{ messages: elsewhere }, { messages: [...asked, ...more], cache_salt: "b" }]
  ) {
    const response = await server.post(CHAT, { ...body, tools });
    assertEquals(response.headers.get(REPLAY_HEADER), null);
    assert(!server.newest().includes("Easy."), server.newest());
  }
});

Deno.test("nothing is replaced if that is switched off, if a stop string cut it, or for n answers", async () => {
  const off = served(SAMPLED, { replays: false });
  const { message, id } = await firstTurn(off);
  await off.post(CHAT, secondTurn(message, id));
  assert(!off.goesOn());
  for (const body of [{ stop: ["it  is"] }, { n: 2 }]) {
    const server = served("Well, it  is done.");
    const response = await server.post(CHAT, { messages: asked, ...body });
    const { content } = (await response.json()).choices[0].message;
    const next = [...asked, { role: "assistant", content }, { role: "user", content: "And?" }];
    const again = await server.post(CHAT, { messages: next });
    assertEquals(again.headers.get(REPLAY_HEADER), null, JSON.stringify(body));
  }
});

Deno.test("POST /v1/messages goes on behind what was sampled, thinking blocks left out", async () => {
  const server = served(SAMPLED);
  const body = {
    model: "fake",
    max_tokens: 500,
    system: "You edit code.",
    tools: [{ name: "edit", input_schema: parameters }],
    messages: [asked[1]],
  };
  const { content } = await (await server.post("/v1/messages", body)).json();
  const call = content.at(-1);
  const spoken = content.filter(({ type }: { type: string }) => type === "text");
  const turn = [
    { role: "assistant", content: [...spoken, { ...call, input: { line: 3, path: "a.ts" } }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "done" }] },
  ];
  const response = await server.post("/v1/messages", { ...body, messages: [asked[1], ...turn] });
  assertEquals(response.headers.get(REPLAY_HEADER), "answers=1");
  assert(server.goesOn(), server.newest());
});

Deno.test("POST /v1/responses goes on behind what was sampled, reasoning items left out", async () => {
  const server = served(SAMPLED);
  const body = {
    model: "fake",
    instructions: "You edit code.",
    tools: [{ type: "function", name: "edit", parameters }],
    store: false,
  };
  const input = [{ role: "user", content: "Mend line 3." }];
  const { output } = await (await server.post("/v1/responses", { ...body, input })).json();
  const kept = output.filter(({ type }: { type: string }) => type !== "reasoning");
  const call = kept.at(-1);
  assertEquals(call.type, "function_call");
  const next = [...input, ...kept, {
    type: "function_call_output",
    call_id: call.call_id,
    output: "done",
  }];
  const response = await server.post("/v1/responses", { ...body, input: next });
  assertEquals(response.headers.get(REPLAY_HEADER), "answers=1");
  assert(server.goesOn(), server.newest());
});

Deno.test("an answer that does not fit with its thoughts is rendered again without them", async () => {
  const thoughts = "Hm. ".repeat(250);
  const server = served(`<think>\n${thoughts}</think>\n\nDone.`);
  await firstTurn(server);
  const next = [...asked, { role: "assistant", content: "Done." }, { role: "user", content: "!" }];
  const fitting = await server.post(CHAT, { messages: next, tools, max_tokens: 100 });
  assertEquals(fitting.headers.get(REPLAY_HEADER), "answers=1");
  const tight = await server.post(CHAT, { messages: next, tools, max_tokens: 7300 });
  assertEquals([tight.status, tight.headers.get(REPLAY_HEADER)], [200, null]);
  assert(!server.newest().includes("Hm. "));
});

Deno.test("the header X-PackKV-Pin reaches the engine in each protocol, and is checked", async () => {
  const server = served("Done.");
  const content = [{ role: "user", content: "hi" }];
  const bodies = {
    [CHAT]: { messages: [asked[0], ...content] },
    "/v1/messages": { model: "fake", max_tokens: 9, system: "x", messages: content },
    "/v1/responses": { model: "fake", instructions: "x", input: content },
  };
  for (const [path, body] of Object.entries(bodies)) {
    for (const [value, pins] of [["on", true], ["off", false]] as const) {
      await server.post(path, body, { [PIN_HEADER]: value });
      assertEquals(server.engine.requests.at(-1)!.pins, pins);
    }
    await server.post(path, body);
    assertEquals(server.engine.requests.at(-1)!.pins, undefined);
    const refused = await server.post(path, body, { [PIN_HEADER]: "yes" });
    assertEquals(refused.status, 400);
    assert((await refused.text()).includes("expected on or off"));
  }
});

Deno.test("TurnMemory keeps the answers used last within its bytes", () => {
  const memory = new TurnMemory({ sizeBytesMax: 10_000 });
  const turnOf = (count: number) => {
    return { turn: { ids: new Array(count).fill(1), text: "", calls: "", thoughts: null } };
  };
  memory.keep("a", turnOf(500));
  memory.keep("b", turnOf(500));
  assert(memory.find("a"));
  memory.keep("c", turnOf(200));
  assert(memory.find("b") === undefined && memory.find("a") && memory.find("c"));
  assert(memory.sizeBytes <= 10_000);
  memory.keep("d", turnOf(5000));
  assertEquals(memory.sizeBytes, 0, "one that is too large alone");
});

Deno.test("TurnFile gives back after a restart what was kept, but a line that a crash cut", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = turnFilePath(folder, "model");
    const memory = new TurnMemory({ sizeBytesMax: 1e6, store: new TurnFile(path) });
    const turn = { ids: [5, 6], text: "t", calls: "c", thoughts: null };
    memory.keep("a", { turn });
    memory.keep("b", { lines: "Today's date is 2026-11-29." });
    const wrong = ['["c",{"turn":{"ids":[-1]}}]', "7", '["d",{"turn":{"ids":[1'];
    await Deno.writeTextFile(path, wrong.join("\n"), { append: true });
    const after = new TurnMemory({ sizeBytesMax: 1e6, store: new TurnFile(path) });
    assertEquals(after.find("a"), { turn });
    assertEquals(after.find("b"), { lines: "Today's date is 2026-11-29." });
    assertEquals([after.find("c"), after.find("d")], [undefined, undefined]);
    assert(turnFilePath(folder, "other") !== path, "tokens of another model mean something else");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
