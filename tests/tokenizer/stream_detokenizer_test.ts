import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { GgufMetadata } from "../../src/gguf/metadata.ts";
import { StreamDetokenizer } from "../../src/tokenizer/stream_detokenizer.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { TINY_BYTE_FIRST, tinyVocabularyMetadata } from "../support/tiny_vocabulary.ts";

const tokenizer = createTokenizer(new GgufMetadata(tinyVocabularyMetadata()), new Map());

/** One id per byte. */
function byteIds(...bytes: number[]): number[] {
  return bytes.map((byte) => TINY_BYTE_FIRST + byte);
}

/** What each push gives, and last what flush gives. */
function texts(ids: readonly number[]): string[] {
  const stream = new StreamDetokenizer(tokenizer);
  return [...ids.map((id) => stream.push(id)), stream.flush()];
}

Deno.test("push() holds the bytes of a code point until it is complete", () => {
  assertEquals(texts(byteIds(0xf0, 0x9f, 0x98, 0x80, 0x21)), ["", "", "", "😀", "!", ""]);
  assertEquals(texts(byteIds(0xc3, 0xa9, 0xe2, 0x82, 0xac)), ["", "é", "", "", "€", ""]);
});

Deno.test("push() gives U+FFFD for bytes that cannot become valid, and goes on", () => {
  assertEquals(texts(byteIds(0xff, 0x41)), ["\uFFFD", "A", ""]);
  assertEquals(texts(byteIds(0xc3, 0x41)), ["", "\uFFFDA", ""]);
});

Deno.test("flush() gives U+FFFD for an incomplete code point, once", () => {
  const stream = new StreamDetokenizer(tokenizer);
  assertEquals(byteIds(0xf0, 0x9f).map((id) => stream.push(id)), ["", ""]);
  assertEquals([stream.flush(), stream.flush()], ["\uFFFD", ""]);
});

Deno.test("push() keeps a byte order mark at the start", () => {
  assertEquals(texts(byteIds(0xef, 0xbb, 0xbf)).join(""), "\uFEFF");
});

Deno.test("push() gives no text for a control token unless asked, even inside a code point", () => {
  const [first, second] = byteIds(0xc3, 0xa9);
  assertEquals(texts([first, 2, second]), ["", "", "é", ""]);
  const shown = new StreamDetokenizer(tokenizer, { showControl: true });
  assertEquals(shown.push(2), "<|im_end|>");
});

Deno.test("push() refuses an id the vocabulary does not have", () => {
  assertThrows(() => new StreamDetokenizer(tokenizer).push(tokenizer.vocabSize), RangeError);
});

Deno.test("push() and flush() together give the text of all ids, cut at code points only", () => {
  const utf8 = fc.string({ unit: "grapheme", maxLength: 20 })
    .map((text) => [...new TextEncoder().encode(text)]);
  const bytes = fc.oneof(utf8, fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 20 }));
  fc.assert(fc.property(bytes, (values) => {
    const ids = byteIds(...values);
    const pieces = texts(ids);
    assertEquals(pieces.join(""), tokenizer.detokenize(ids));
    for (const piece of pieces) assert(piece.isWellFormed(), JSON.stringify(pieces));
  }));
});
