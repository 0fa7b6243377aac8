/** Ten vocabularies of real models: ids as another program gives them, and back to the text. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import process from "node:process";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { createChatTemplate } from "../../src/tokenizer/chat_template.ts";
import { WorkerPromptReader } from "../../src/tokenizer/prompt_reader.ts";
import { StreamDetokenizer } from "../../src/tokenizer/stream_detokenizer.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { readVocabulary } from "../../src/tokenizer/vocabulary.ts";
import type { Tokenizer } from "../../src/tokenizer/types.ts";
import { sharedFile } from "../support/shared.ts";
import { countTurns, threadMs } from "../support/waiting.ts";

interface Golden {
  vocab: string;
  /** With control tokens parsed. */
  special: { text: string; ids: number[] }[];
  /** Without. */
  plain: { text: string; ids: number[] }[];
}

const path = sharedFile("golden/tokenizers/tokenizers.json");
const goldens: Golden[] = path === null ? [] : JSON.parse(Deno.readTextFileSync(path));
const fileOf = (vocab: string) => path!.replace("tokenizers.json", vocab);

/** The text of a stream, of which no piece ends within a code point. */
function streamed(tokenizer: Tokenizer, ids: readonly number[]): string {
  const stream = new StreamDetokenizer(tokenizer, { showControl: true });
  const pieces = [...ids.map((id) => stream.push(id)), stream.flush()];
  for (const piece of pieces) assert(piece.isWellFormed(), JSON.stringify(pieces));
  return pieces.join("");
}

for (const { vocab, special, plain } of goldens) {
  Deno.test(`tokenize() gives every golden id of ${vocab}, and the text comes back`, async () => {
    const { metadata, tensors } = await readGguf(fileOf(vocab));
    const tokenizer = createTokenizer(metadata, tensors);
    assertEquals([special.length, plain.length], [181, 27]);
    const columns = [[special, true], [plain, false]] as const;
    for (const [golden, parseSpecial] of columns) {
      for (const { text, ids } of golden) {
        const where = `${JSON.stringify(text)}, parseSpecial ${parseSpecial}`;
        assertEquals(tokenizer.tokenize(text, { parseSpecial }), ids, where);
        assertEquals(tokenizer.textOf(ids), text, where);
        assertEquals(streamed(tokenizer, ids), tokenizer.detokenize(ids), where);
      }
    }
  });
}

/** CPU seconds of this process: others that run beside it do not count. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

Deno.test("a vocabulary of 262,144 is ready within 1.5 s of CPU time, of which the thread that serves spends a third at most", async () => {
  if (path === null) return;
  const modelPath = fileOf("gemma-4.gguf");
  const startSeconds = cpuSeconds();
  const { metadata, tensors } = await readGguf(modelPath);
  const tokenizer = createTokenizer(metadata, tensors);
  const template = createChatTemplate(metadata, tokenizer);
  const hereSeconds = cpuSeconds() - startSeconds;
  const reader = new WorkerPromptReader(modelPath, tokenizer, template);
  try {
    const [startMs, turns] = [threadMs(), countTurns(1)];
    const ids = await reader.tokenize("Hi", { parseSpecial: false });
    const tookMs = threadMs() - startMs;
    turns.stop();
    assert(turns.count > 10, `${turns.count} turns while it was waited for`);
    const allSeconds = cpuSeconds() - startSeconds;
    console.log(`${hereSeconds.toFixed(2)} s here, ${allSeconds.toFixed(2)} s in all`);
    assert(allSeconds < 1.5, `${allSeconds} s`);
    assert(hereSeconds < 0.5, `${hereSeconds} s`);
    assert(tookMs < 1000 * allSeconds / 4, `${tookMs} ms on this thread of ${allSeconds} s`);
    assertEquals(ids, [10979]);
  } finally {
    reader.close();
  }
});

Deno.test("a vocabulary is read once of a header, by whoever asks", async () => {
  if (path === null) return;
  const { metadata, tensors } = await readGguf(fileOf("gpt-2.gguf"));
  assertStrictEquals(readVocabulary(metadata, tensors), readVocabulary(metadata, tensors));
});
