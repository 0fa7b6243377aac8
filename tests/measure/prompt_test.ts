import { assert, assertEquals } from "@std/assert";
import { writePrompt } from "../../server/measure/load/prompt.ts";

const numbers = [0, 0.25, 0.5, 0.75, 0.999999];

Deno.test("writePrompt() gives an id for each number, from the vocabulary's middle half", () => {
  const writer = { kind: "token-ids", vocabSize: 400 } as const;
  assertEquals(writePrompt(numbers, writer), [100, 150, 200, 250, 299]);
});

Deno.test("writePrompt() stays in a vocabulary of four, and below 20,000 if none is told", () => {
  assertEquals(writePrompt(numbers, { kind: "token-ids", vocabSize: 4 }), [1, 1, 2, 2, 2]);
  const ids = writePrompt(numbers, { kind: "token-ids", vocabSize: null }) as number[];
  assert(ids.every((id) => id >= 1000 && id < 20_000));
});

Deno.test("writePrompt() gives as many words as come to the tokens wanted", () => {
  const wordCount = (tokensPerWord: number) =>
    String(writePrompt(numbers, { kind: "text", tokensPerWord })).split(" ").length;
  assertEquals([1, 2.5, 0.5, 100].map(wordCount), [5, 2, 10, 1]);
});

Deno.test("writePrompt() gives texts of the same beginning for numbers of the same beginning", () => {
  const writer = { kind: "text", tokensPerWord: 1 } as const;
  const a = String(writePrompt([...numbers, 0.1], writer));
  const b = String(writePrompt([...numbers, 0.9], writer));
  const shared = String(writePrompt(numbers, writer));
  assert(a.startsWith(shared) && b.startsWith(shared) && a !== b);
});
