/** Lines that clients write anew into each request, in the forms that were recorded of them. */

import { assert, assertEquals } from "@std/assert";
import { Conversations } from "../../server/replay/conversations.ts";
import { REPLAY_HEADER } from "../../server/replay/report_header.ts";
import { FAKE_TOKENIZER, tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";

const CHAT = "/v1/chat/completions";

/** A client's form: where the line stands, and two values of it. */
interface Form {
  client: string;
  name: string;
  /** The system prompt. */
  system?: (value: string) => string;
  /** What the first message of the user begins with. */
  first?: (value: string) => string;
  values: [string, string];
  /** The line as it is placed; null if it is left out. */
  line: ((value: string) => string) | null;
}

const FORMS: Form[] = [
  {
    client: "Claude Code",
    name: "billing-header",
    system: (hash) =>
      `x-anthropic-billing-header: cc_version=2.1.77.a1b; cc_entrypoint=cli; cch=${hash};\n` +
      "You are Claude Code, Anthropic's official CLI for Claude.",
    values: ["9f31c", "02b7e"],
    line: null,
  },
  {
    client: "Claude Code before 2.1, within <env>",
    name: "date",
    system: (date) =>
      `Here is information:\n<env>\nPlatform: linux\nToday's date: ${date}\n</env>\nBe brief.`,
    values: ["2026-11-28", "2026-11-29"],
    line: (date) => `Today's date: ${date}`,
  },
  {
    client: "Claude Code, in a reminder of the first message",
    name: "date",
    first: (date) =>
      `<system-reminder>\n# currentDate\nToday's date is ${date}.\n</system-reminder>\n`,
    values: ["2026-11-28", "2026-11-29"],
    line: (date) => `Today's date is ${date}.`,
  },
  {
    client: "Claude Code and its like, a countdown behind the system prompt",
    name: "countdown",
    system: (used) => `You are an agent.\nToken usage: ${used}/200000; 150000 remaining`,
    values: ["21334", "48120"],
    line: (used) => `Token usage: ${used}/200000; 150000 remaining`,
  },
  {
    client: "Codex",
    name: "date",
    first: (date) =>
      `<environment_context>\n  <cwd>/w</cwd>\n  <current_date>${date}</current_date>\n` +
      "  <timezone>Etc/UTC</timezone>\n</environment_context>\n",
    values: ["2026-11-28", "2026-11-29"],
    line: (date) => `<current_date>${date}</current_date>`,
  },
  {
    client: "opencode",
    name: "date",
    system: (date) =>
      `You are opencode.\n<env>\n  Platform: linux\n  Today's date: ${date}\n</env>\n<files/>`,
    values: ["Sat Nov 28 2026", "Sun Nov 29 2026"],
    line: (date) => `Today's date: ${date}`,
  },
  {
    client: "Qwen Code",
    name: "date",
    first: (date) =>
      "This is the Qwen Code. We are setting up the context for our chat.\n" +
      `Today's date is ${date} (formatted according to the user's locale).\n` +
      "My operating system is: linux\n",
    values: ["Saturday, November 28, 2026", "Sunday, November 29, 2026"],
    line: (date) => `Today's date is ${date} (formatted according to the user's locale).`,
  },
  {
    client: "pi",
    name: "time",
    system: (time) =>
      `You are a coding agent.\nCurrent date and time: ${time}\nCurrent directory: /w`,
    values: [
      "Friday, March 6, 2026 at 10:22:33 AM GMT+1",
      "Friday, March 6, 2026 at 10:22:59 AM GMT+1",
    ],
    line: (time) => `Current date and time: ${time}`,
  },
  {
    client: "a voice assistant, at the very beginning",
    name: "time",
    system: (time) => `Current time is ${time}. Today's date is 2026-09-09.\nYou are an assistant.`,
    values: ["15:09:20", "15:09:34"],
    line: (time) => `Current time is ${time}. Today's date is 2026-09-09.`,
  },
];

function served(placesLines = true) {
  const conversations = new Conversations({ placesLines, replays: false });
  const { engine, post } = harness(() => tokensOf("Done."), {
    model: { conversations },
    info: { contextLength: 4000 },
  });
  const newest = () => FAKE_TOKENIZER.detokenize([...engine.requests.at(-1)!.promptIds]);
  return { post, newest };
}

function turn({ system, first }: Form, value: string, more: readonly object[] = []) {
  return {
    messages: [
      { role: "system", content: system?.(value) ?? "You are an agent." },
      { role: "user", content: `${first?.(value) ?? ""}Mend it.` },
      ...more,
    ],
  };
}

const more = (index: number) => [
  { role: "assistant", content: "Done." },
  { role: "user", content: `More, ${index}.` },
];

for (const form of FORMS) {
  const { client, name, line, values: [before, after] } = form;
  Deno.test(`a line that changes leaves the beginning of the prompt as it was (${name} of ${client})`, async () => {
    const { post, newest } = served();
    const response = await post(CHAT, turn(form, before));
    assertEquals(response.headers.get(REPLAY_HEADER), `lines=${name}`);
    const first = newest();
    const placed = (value: string) => line === null ? "" : `\n\n${line(value)}`;
    assert(first.endsWith(`Mend it.${placed(before)}[assistant]`), first);
    assertEquals(first.split(before).length, line === null ? 1 : 2, "it stands there once");
    // The same again, then another value, then that one again.
    await post(CHAT, turn(form, before, more(1)));
    const second = newest();
    assertEquals(second, `${first}Done.[user]More, 1.[assistant]`);
    await post(CHAT, turn(form, after, [...more(1), ...more(2)]));
    const third = newest();
    const behind = `Done.[user]More, 2.${placed(after)}[assistant]`;
    assertEquals(third, second + behind, "what was placed before stays there");
    await post(CHAT, turn(form, after, [...more(1), ...more(2), ...more(3)]));
    assertEquals(newest(), `${third}Done.[user]More, 3.[assistant]`);
  });
}

Deno.test("Cline's details of the environment stay in each message, where it keeps them", async () => {
  const { post, newest } = served();
  const details = (time: string, used: string) =>
    `<environment_details>\n# Current Time\n${time}\n\n# Context Window Usage\n${used}\n` +
    "</environment_details>";
  const [a, b] = [
    details("11/29/2026, 10:01:02 AM (UTC, UTC+0:00)", "12,345 / 200K tokens used (6%)"),
    details("11/29/2026, 10:02:44 AM (UTC, UTC+0:00)", "14,001 / 200K tokens used (7%)"),
  ];
  const messages = [{ role: "system", content: "You are Cline." }, { role: "user", content: a }];
  const response = await post(CHAT, { messages });
  assertEquals(response.headers.get(REPLAY_HEADER), null);
  const first = newest();
  const turn = [{ role: "assistant", content: "Done." }, { role: "user", content: b }];
  await post(CHAT, { messages: [...messages, ...turn] });
  assertEquals(newest(), `${first}Done.[user]${b}[assistant]`);
});

Deno.test("what a user writes like such a line is left where it is, and all if it is switched off", async () => {
  const { post, newest } = served();
  const text = "Why does it print this?\nToday's date: 2026-11-29\nToken usage: 5/6";
  await post(CHAT, { messages: [{ role: "user", content: text }] });
  assert(newest().includes(text));
  const prose = "Current time is what clocks show.\nToday is a good day.\nContext usage matters.";
  await post(CHAT, {
    messages: [{ role: "system", content: prose }, { role: "user", content: "x" }],
  });
  assert(newest().includes(prose), newest());
  const off = served(false);
  for (const form of FORMS) {
    const body = turn(form, form.values[0]);
    const response = await off.post(CHAT, body);
    assertEquals(response.headers.get(REPLAY_HEADER), null);
    for (const { content } of body.messages as { content: string }[]) {
      assert(off.newest().includes(content));
    }
  }
});

Deno.test("POST /v1/messages leaves a billing block out of the system prompt", async () => {
  const { post, newest } = served();
  const prompts: string[] = [];
  for (const hash of ["11111", "22222"]) {
    await post("/v1/messages", {
      model: "fake",
      max_tokens: 10,
      system: [
        { type: "text", text: `x-anthropic-billing-header: cc_version=2.1.77; cch=${hash};` },
        { type: "text", text: "You are Claude Code.", cache_control: { type: "ephemeral" } },
      ],
      messages: [{ role: "user", content: "hi" }],
    });
    prompts.push(newest());
  }
  assertEquals(prompts[0], prompts[1]);
  assertEquals(prompts[0], "[system]You are Claude Code.[user]hi[assistant]");
});
