import { assert, assertEquals, assertThrows } from "@std/assert";
import { makeRetrievalTask, type RetrievalTask } from "../../../src/evaluation/retrieval/cases.ts";
import { KEY_WORDS } from "../../../src/evaluation/retrieval/words.ts";
import { GgufMetadata } from "../../../src/gguf/metadata.ts";
import type { ChatTemplate } from "../../../src/tokenizer/types.ts";
import { createTokenizer } from "../../../src/tokenizer/tokenizer.ts";
import { tinyVocabularyMetadata } from "../../support/tiny_vocabulary.ts";

const tokenizer = createTokenizer(new GgufMetadata(tinyVocabularyMetadata(288)), new Map());
const TEXT = "It rained. The road was long, and nobody came.\n\nWhere were they? ".repeat(60);
const OPTIONS = { tokenCount: 1600, caseCount: 6, seed: 4, tokenizer, chatTemplate: null };

/** Renders `<|im_start|>user: …<|im_end|>answer:`. */
const CHAT: ChatTemplate = {
  source: "",
  reads: () => false,
  render: ([{ content }]) => {
    return { ids: [], text: `<|im_start|>user: ${content}<|im_end|>answer:` };
  },
};

const documentText = ({ documentIds }: RetrievalTask) => tokenizer.detokenize(documentIds);
const count = (text: string, part: string) => text.split(part).length - 1;

for (const chatTemplate of [null, CHAT]) {
  const form = chatTemplate === null ? "completion" : "chat";
  Deno.test(`makeRetrievalTask() hides each fact once, ahead of the window (${form})`, () => {
    const task = makeRetrievalTask(TEXT, { ...OPTIONS, chatTemplate });
    assertEquals(task.form, form);
    assertEquals(task.documentIds.length, OPTIONS.tokenCount);
    assertEquals(task.cases.length, 12);
    const text = documentText(task);
    assertEquals(text.startsWith("<|im_start|>user: Read"), form === "chat");
    for (const { kind, key, depth, questionIds, answerIds } of task.cases) {
      const whole = tokenizer.detokenize([...questionIds, ...answerIds]);
      assertEquals(whole.startsWith("\n\nComplete the line.<|im_end|>answer:"), form === "chat");
      const line = whole.slice(whole.lastIndexOf("\n") + 1);
      assertEquals(line.replace(/\d{4}$/, ""), key);
      assertEquals(key.split(kind === "code" ? " " : ", ").length, 3);
      assertEquals([count(text, `${line}\n`), count(text, key)], [1, 1]);
      assertEquals(tokenizer.detokenize(answerIds), line.slice(-4));
      const place = tokenizer.tokenize(text.slice(0, text.indexOf(line)), { parseSpecial: true });
      assert(place.length < OPTIONS.tokenCount - 192, `${key} begins at token ${place.length}`);
      assert(Math.abs(place.length / OPTIONS.tokenCount - depth) < 0.12, `${key} at ${depth}`);
    }
  });
}

Deno.test("makeRetrievalTask() spreads codes over the document and pairs over four tables", () => {
  const { cases } = makeRetrievalTask(TEXT, OPTIONS);
  const depths = (kind: string) => cases.filter((own) => own.kind === kind).map((own) => own.depth);
  const codes = depths("code");
  assertEquals(codes, codes.toSorted((a, b) => a - b));
  assert(codes[0] < 0.2 && codes[5] > 0.6, `codes lie at ${codes}`);
  assertEquals(new Set(depths("pair")).size, 4);
});

Deno.test("makeRetrievalTask() gives the same document for a seed, and another for another", () => {
  const [first, again, other] = [4, 4, 5].map((seed) =>
    makeRetrievalTask(TEXT, { ...OPTIONS, seed })
  );
  assertEquals(first, again);
  assert(documentText(first) !== documentText(other));
});

Deno.test("makeRetrievalTask() refuses what cannot be made, naming numbers", () => {
  const refused: [Partial<typeof OPTIONS>, string, string][] = [
    [{ caseCount: 68 }, TEXT, "68 cases of each kind: must be 1 to 67"],
    [{ tokenCount: 500 }, TEXT, "12 facts in 500 tokens"],
    [{}, "Too short. ".repeat(20), "1600 tokens: the text is enough for"],
  ];
  for (const [change, text, message] of refused) {
    const make = () => makeRetrievalTask(text, { ...OPTIONS, ...change });
    assertThrows(make, RangeError, message);
  }
});

Deno.test("KEY_WORDS are all different, so that no key is like another", () => {
  assertEquals(new Set(KEY_WORDS).size, KEY_WORDS.length);
});
