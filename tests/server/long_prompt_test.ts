/** Prompts of 400 KB to a real server, which goes on answering others. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { defaultModelPath } from "../support/default_model.ts";
import { startServe } from "../support/serve_process.ts";
import { threadMs } from "../support/waiting.ts";

const FORMAT = Deno.readTextFileSync(new URL("../../src/codec/FORMAT.md", import.meta.url));
const SIZE = 400_000;
const fill = (text: string) => text.repeat(Math.ceil(SIZE / text.length)).slice(0, SIZE);
/** Tokenizing any of them takes seconds. */
const TEXTS = [fill(FORMAT), fill("ab "), fill("a")];
/** Of the thread that answers, between a request and its answer. */
const STALL_MS_MAX = 500;

Deno.test("/health answers within half a second while prompts of 400 KB are read or refused", async () => {
  const server = await startServe(["--model", defaultModelPath(), "--log", "off", "--ctx", "2048"]);
  try {
    const post = async (path: string, body: object) => {
      const response = await fetch(new URL(path, server.url), {
        method: "POST",
        body: JSON.stringify(body),
      });
      return { status: response.status, body: await response.json() };
    };
    const requests = TEXTS.flatMap((text) => {
      const messages = [{ role: "user", content: text }];
      return [
        { path: "/v1/completions", param: "prompt", body: { prompt: text } },
        { path: "/v1/chat/completions", param: "messages", body: { messages } },
        { path: "/v1/responses", param: "input", body: { input: text } },
        { path: "/tokenize", param: null, body: { content: text } },
      ];
    });
    let isOver = false;
    const asked = Promise.all(requests.map(async ({ path, param, body }) => {
      const answer = await post(path, body);
      if (param === null) return assertEquals(answer.status, 200);
      const { error } = answer.body;
      assertEquals([answer.status, error.code], [400, "context_length_exceeded"]);
      assertEquals(error.param, param);
      assertMatch(error.message, /maximum context length is 2048 tokens/);
      const count = Math.max(...error.message.match(/\d+/g).map(Number));
      assert(count > 2048, error.message);
    })).finally(() => isOver = true);
    let longestMs = 0;
    let answerCount = 0;
    while (!isOver) {
      const startMs = threadMs(server.pid);
      const response = await fetch(new URL("/health", server.url));
      await response.body?.cancel();
      assertEquals(response.status, 200);
      answerCount++;
      longestMs = Math.max(longestMs, threadMs(server.pid) - startMs);
    }
    await asked;
    // Behind each prompt it would be one.
    assert(answerCount > 4 * TEXTS.length, `${answerCount} answers`);
    assert(longestMs < STALL_MS_MAX, `${longestMs} ms`);
  } finally {
    await server.end("SIGINT");
  }
});
