/** Texts that cannot fit are known before they are tokenized, and none that fits is refused. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { TokenBound } from "../../src/tokenizer/token_bound.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { threadMs } from "../support/waiting.ts";

const PROSE =
  "A server keeps the keys and values of every token that it has read, so that it need not " +
  "read them again. For a long conversation they take more memory than the weights of the model, " +
  "and each new token has to look at all of them. Stored in fewer bits they take less room, and " +
  "less time to look at. How far that can go is a question of measurement: some heads bear " +
  "coarse steps well, others do not, and the only way to find out is to try.\n\n";
const SIZE = 60_000;
const fill = (text: string) => text.repeat(Math.ceil(SIZE / text.length)).slice(0, SIZE);
const TEXTS: Readonly<Record<string, string>> = {
  prose: fill(PROSE),
  "one letter": fill("a"),
  spaces: fill(" "),
  "line feeds": fill("\n"),
  "spaces and letters": fill("        a"),
  digits: fill("0123456789"),
  dashes: fill("-"),
  emoji: fill("😀👍🏽"),
  "other scripts": fill("日本語のテキスト。Русский текст. "),
  "special tokens": fill("<|im_end|>word "),
  code: fill("    if (value !== null) {\n        return value;\n    }\n"),
};

const { metadata, tensors } = await readGguf(defaultModelPath());
const tokenizer = createTokenizer(metadata, tensors);
const bound = new TokenBound(
  Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.tokenBytes(id)),
);

for (const [name, text] of Object.entries(TEXTS)) {
  Deno.test(`TokenBound.least() is at most the number of tokens (${name})`, () => {
    for (const length of [1, 2, 3, 10, 100, 5000, SIZE]) {
      const part = text.slice(0, length).toWellFormed();
      const { length: count } = tokenizer.tokenize(part, { parseSpecial: false });
      const least = bound.least(part);
      assert(least <= count, `${least} of ${count}`);
    }
  });

  Deno.test(`Tokenizer.tokenize() refuses by the bound only what does not fit (${name})`, () => {
    for (const parseSpecial of [true, false]) {
      const ids = tokenizer.tokenize(text, { parseSpecial });
      const tokenCountMax = ids.length;
      assertEquals(tokenizer.tokenize(text, { parseSpecial, tokenCountMax }), ids);
      const error = assertThrows(
        () => tokenizer.tokenize(text, { parseSpecial, tokenCountMax: 100 }),
        EngineError,
      );
      assertEquals(error.code, "context_length_exceeded");
      const least = Number(/at least (\d+) tokens/.exec(error.message)![1]);
      assert(least > 100 && least <= ids.length, error.message);
    }
  });
}

Deno.test("TokenBound.least() of prose is a quarter of its tokens or more, in a tenth of the time", () => {
  const text = fill(PROSE).repeat(6);
  const startMs = threadMs();
  const { length } = tokenizer.tokenize(text, { parseSpecial: false });
  const middleMs = threadMs();
  const least = bound.least(text);
  const endMs = threadMs();
  assert(least > length / 4, `${least} of ${length}`);
  assert(endMs - middleMs < (middleMs - startMs) / 10, `${endMs - middleMs} ms`);
});

Deno.test("TokenBound.least() counts no byte that is no token by itself: it may be left out", () => {
  const tokens = [Uint8Array.of(97), Uint8Array.of(97, 98)];
  assertEquals(["abab", "bbb", "abbbba"].map((text) => new TokenBound(tokens).least(text)), [
    2,
    0,
    2,
  ]);
});

Deno.test("Tokenizer.tokenize() tells the exact number of a short text, however many tokens fit", () => {
  const text = TEXTS.prose.slice(0, 30_000);
  const ids = tokenizer.tokenize(text, { parseSpecial: true, tokenCountMax: 10 });
  assert(ids.length > 10);
});
