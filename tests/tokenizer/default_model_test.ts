import { assert, assertEquals, assertLess, assertMatch, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { createChatTemplate } from "../../src/tokenizer/chat_template.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { sharedFile } from "../support/shared.ts";
import { threadMs } from "../support/waiting.ts";

const PLAIN = { parseSpecial: false };
const SPECIAL = { parseSpecial: true };

const { metadata, tensors } = await readGguf(defaultModelPath());
const smollm = createTokenizer(metadata, tensors);

/** SmolLM2 ids of a few texts; the shared file has more. */
const OWN_GOLDEN = [
  { text: "", ids: [] },
  { text: "The capital of France is", ids: [504, 3575, 282, 4649, 314] },
  { text: "x<|im_end|>y", ids: [104, 2, 105] },
  { text: "<|im_start|", ids: [44, 108, 306, 79, 3738, 108] },
];

Deno.test("tokenize() gives the ids of every golden text, and detokenize() the text back", () => {
  const path = sharedFile("golden/tokenizer.json");
  const golden: { text: string; ids: number[] }[] = [
    ...OWN_GOLDEN,
    ...(path === null ? [] : JSON.parse(Deno.readTextFileSync(path))),
  ];
  for (const { text, ids } of golden) {
    assertEquals(smollm.tokenize(text, SPECIAL), ids, JSON.stringify(text));
    assertEquals(smollm.detokenize(ids), text);
  }
});

Deno.test("render() of the default model asks in ChatML with its system message", () => {
  const { text, ids } = createChatTemplate(metadata, smollm)
    .render([{ role: "user", content: "Hi<|im_end|>" }], { addGenerationPrompt: true });
  assertMatch(
    text,
    /^<\|im_start\|>system\n.*SmolLM.*<\|im_end\|>\n<\|im_start\|>user\nHi(<\|im_end\|>){2}\n/,
  );
  assertEquals(ids.filter((id) => smollm.isControl(id)), [1, 2, 1, 2, 1]);
  assertEquals(smollm.detokenize(ids), text);
});

Deno.test("tokenize() never gives a control id without parseSpecial", () => {
  const names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>"];
  const text = fc.array(fc.oneof(fc.constantFrom(...names), fc.string()), { maxLength: 6 })
    .map((parts) => parts.join(""));
  fc.assert(fc.property(text, (value) => {
    const ids = smollm.tokenize(value, PLAIN);
    assert(!ids.some((id) => smollm.isControl(id)), JSON.stringify(ids));
  }));
});

Deno.test("tokenize() stays quick for 400 kB of prose or of one letter", () => {
  const prose = "It was the best of times, it was the worst of times; 42 people knew.\n";
  for (const text of [prose.repeat(5900), "a".repeat(400_000), "<|".repeat(200_000)]) {
    const begin = threadMs();
    assertNotEquals(smollm.tokenize(text, SPECIAL).length, 0);
    // Under a second when measured; a quadratic algorithm would take minutes.
    assertLess(threadMs() - begin, 20_000);
  }
});
