import { assertEquals, assertMatch } from "@std/assert";
import {
  type CommandContext,
  isSlashCommand,
  runSlashCommand,
} from "../../server/cli/chat/commands.ts";
import { ChatSession } from "../../server/cli/chat/session.ts";
import { FakeEngine, fakeModel } from "../support/fake_engine.ts";

function makeSession(contextLength = 400) {
  const model = fakeModel(new FakeEngine(() => [], { contextLength }));
  const settings = { system: "", maxTokens: null, temperature: 0, topP: 1, seed: 7 };
  return new ChatSession(model, settings);
}

const signal = new AbortController().signal;

function promptOf(session: ChatSession): string {
  return new TextDecoder().decode(Uint8Array.from(session.request(signal)!.promptIds));
}

Deno.test("ChatSession renders all turns, the system message first, a file before its question", () => {
  const session = makeSession();
  session.ask("A?");
  session.hear("B.");
  session.settings.system = "S";
  session.attach("f.txt", "text\n");
  session.ask("C?");
  const file = "File f.txt:\n\ntext\n\nC?";
  assertEquals(promptOf(session), `[system]S[user]A?[assistant]B.[user]${file}[assistant]`);
});

Deno.test("ChatSession.retry() takes the answer back, takeBack() the question too", () => {
  const session = makeSession();
  assertEquals(session.retry(), false);
  session.ask("A?");
  session.hear("B.");
  assertEquals(session.retry(), true);
  assertEquals(promptOf(session), "[user]A?[assistant]");
  session.takeBack();
  assertEquals(session.tokenCounts.used, 0);
});

Deno.test("ChatSession.request() gives what room there is, and null where there is none", () => {
  const session = makeSession(40);
  session.ask("12345678");
  assertEquals(session.request(signal)?.maxTokens, 40 - 25);
  session.settings.maxTokens = 3;
  assertEquals(session.request(signal)?.maxTokens, 3);
  session.ask("a question that is longer than the context");
  assertEquals(session.request(signal), null);
});

Deno.test("isSlashCommand() takes words after a slash, not paths and fractions", () => {
  for (const text of ["/help", "/set seed 1", "/?", "/"]) assertEquals(isSlashCommand(text), true);
  for (const text of ["/usr/bin is a path", "1/2", " /help"]) {
    assertEquals(isSlashCommand(text), false, text);
  }
});

Deno.test("runSlashCommand() changes settings, attaches files, clears, and says what it did", async () => {
  const session = makeSession();
  const said: string[] = [];
  const context: CommandContext = {
    session,
    say: (text) => said.push(text),
    describeCache: () => Promise.resolve("cache"),
  };
  const run = (text: string) => runSlashCommand(text, context);
  const path = await Deno.makeTempFile({ suffix: ".txt" });
  try {
    await Deno.writeTextFile(path, "inside");
    await run(`/file ${path}`);
    assertMatch(said.pop()!, /\(6 bytes\) will be read/);
    await Deno.writeFile(path, Uint8Array.of(0xff));
    await run(`/file ${path}`);
    assertMatch(said.pop()!, /no text in UTF-8/);
  } finally {
    await Deno.remove(path);
  }
  await run("/system Be brief.");
  await run("/set temperature 0.5");
  session.ask("Q");
  assertMatch(promptOf(session), /^\[system\]Be brief\.\[user\]File .*inside\n\nQ\[assistant\]$/s);
  assertEquals(session.settings.temperature, 0.5);
  assertEquals(await run("/retry"), "answer");
  assertEquals(await run("/new"), "go on");
  assertEquals(await run("/retry"), "go on");
  assertEquals(await run("/quit"), "leave");
});
