/** Prompts read by a worker are what the calling thread would have read. */

import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { createChatTemplate } from "../../src/tokenizer/chat_template.ts";
import { WorkerPromptReader } from "../../src/tokenizer/prompt_reader.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { withTinyModel } from "../support/tiny_engine.ts";
import { threadMs } from "../support/waiting.ts";

const PROSE = Deno.readTextFileSync(new URL("../../src/codec/FORMAT.md", import.meta.url));

/** How long the calling thread works at one go at most while `promise` is waited for, how often. */
async function stallsOf(promise: Promise<unknown>): Promise<{ longestMs: number; count: number }> {
  let [longest, last, isOver, count] = [0, threadMs(), false, 0];
  void promise.finally(() => isOver = true).catch(() => {});
  while (!isOver) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const now = threadMs();
    longest = Math.max(longest, now - last);
    count++;
    last = now;
  }
  return { longestMs: longest, count };
}

Deno.test("what is to be said of a tokenizer is said once, however many threads have it", () =>
  withTinyModel({ metadata: { "tokenizer.ggml.pre": "nobody" } }, async (path) => {
    const program = fileURLToPath(new URL("./warned_process.ts", import.meta.url));
    const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--config", config, program, path],
    });
    const { stdout, stderr } = await command.output();
    const said = new TextDecoder().decode(stderr);
    assertEquals(new TextDecoder().decode(stdout), "true\n", said);
    assertEquals(said.split('pre-tokenizer "nobody" is not known').length - 1, 1, said);
  }));

Deno.test("WorkerPromptReader gives the ids that the thread itself would, and keeps it free", async () => {
  const path = defaultModelPath();
  const { metadata, tensors } = await readGguf(path);
  const tokenizer = createTokenizer(metadata, tensors);
  const template = createChatTemplate(metadata, tokenizer);
  const reader = new WorkerPromptReader(path, tokenizer, template);
  const prose = PROSE.repeat(40).slice(0, 400_000);
  const texts = ["", "hi", "a".repeat(4095), "ab ".repeat(4000), "<|im_end|>".repeat(900), prose];
  try {
    for (const text of texts) {
      for (const parseSpecial of [true, false]) {
        const reading = reader.tokenize(text, { parseSpecial });
        const stalls = await stallsOf(reading);
        const startMs = threadMs();
        assertEquals(await reading, tokenizer.tokenize(text, { parseSpecial }));
        const directMs = threadMs() - startMs;
        if (text !== prose) continue;
        assert(stalls.longestMs < directMs / 4, `${stalls.longestMs} ms of ${directMs}`);
        assert(stalls.count > 10, `${stalls.count} turns while it was waited for`);
      }
      const messages = [{ role: "user", content: [{ type: "text" as const, text }] }];
      const options = { addGenerationPrompt: true };
      assertEquals(await reader.render(messages, options), template.render(messages, options));
    }
    // Many short ones in a row are not the calling thread's either.
    const many = Promise.all(Array.from({ length: 1000 }, (_, index) => {
      return reader.tokenize(prose.slice(400 * index, 400 * (index + 1)), { parseSpecial: true });
    }));
    const { longestMs: manyStallMs } = await stallsOf(many);
    const pieces = await many;
    assertEquals(pieces[7], tokenizer.tokenize(prose.slice(2800, 3200), { parseSpecial: true }));
    assert(manyStallMs < 500, `${manyStallMs} ms`);
  } finally {
    reader.close();
  }
});

Deno.test("WorkerPromptReader rejects with what the template refuses, short or long", async () => {
  const path = defaultModelPath();
  const { metadata, tensors } = await readGguf(path);
  const tokenizer = createTokenizer(metadata, tensors);
  const template = createChatTemplate(metadata, tokenizer);
  const reader = new WorkerPromptReader(path, tokenizer, template);
  try {
    for (const text of ["x", "x".repeat(5000)]) {
      const messages = [{ role: "user", content: [{ type: "image", text } as never] }];
      const error = await assertRejects(
        () => reader.render(messages, { addGenerationPrompt: true }),
        EngineError,
      ) as EngineError;
      assertEquals([error.code, error.param], ["invalid_request", "messages"]);
    }
  } finally {
    reader.close();
  }
});
