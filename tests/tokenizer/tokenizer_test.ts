import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { EngineError } from "../../src/core/errors.ts";
import { GgufMetadata } from "../../src/gguf/metadata.ts";
import { preTokenizerRule } from "../../src/tokenizer/pre_tokenizers.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import {
  TINY_BYTE_FIRST,
  TINY_MERGE_FIRST,
  TINY_TOKEN_COUNT,
  tinyVocabularyMetadata,
} from "../support/tiny_vocabulary.ts";

/** The tiny tokenizer, with keys replaced. */
function tiny(changed: Record<string, unknown> = {}) {
  return createTokenizer(new GgufMetadata({ ...tinyVocabularyMetadata(), ...changed }), new Map());
}

const byteIds = (text: string) =>
  [...new TextEncoder().encode(text)].map((b) => TINY_BYTE_FIRST + b);
const merged = (index: number) => TINY_MERGE_FIRST + index;
const PLAIN = { parseSpecial: false };
const SPECIAL = { parseSpecial: true };

Deno.test("tokenize() merges in the order of the merges", () => {
  const HELLO = merged(3);
  const WORLD = merged(8);
  assertEquals(tiny().tokenize("hello world", PLAIN), [HELLO, WORLD]);
  assertEquals(tiny().tokenize("hellhe", PLAIN), [merged(2), merged(0)]);
  assertEquals(tiny().tokenize("ehé", PLAIN), byteIds("ehé"));
  assertEquals(tiny().tokenize("", PLAIN), []);
});

Deno.test("tokenize() takes special tokens for control tokens only with parseSpecial", () => {
  const text = "he<|im_end|>he";
  assertEquals(tiny().tokenize(text, SPECIAL), [merged(0), 2, merged(0)]);
  assertEquals(tiny().tokenize(text, PLAIN), [merged(0), ...byteIds("<|im_end|>"), merged(0)]);
  assertEquals(tiny().detokenize(tiny().tokenize(text, SPECIAL)), text);
  assertEquals(tiny().detokenize(tiny().tokenize(text, PLAIN)), text);
});

Deno.test("tokenize() finds the longest special token at each place", () => {
  const metadata = tinyVocabularyMetadata(TINY_TOKEN_COUNT + 2);
  const tokens = [...metadata["tokenizer.ggml.tokens"] as string[]];
  const kinds = [...metadata["tokenizer.ggml.token_type"] as number[]];
  tokens.splice(TINY_TOKEN_COUNT, 2, "<t>", "<t><t>");
  kinds.splice(TINY_TOKEN_COUNT, 2, 3, 3);
  const tokenizer = createTokenizer(
    new GgufMetadata({
      ...metadata,
      "tokenizer.ggml.tokens": tokens,
      "tokenizer.ggml.token_type": kinds,
    }),
    new Map(),
  );
  const [one, two] = [TINY_TOKEN_COUNT, TINY_TOKEN_COUNT + 1];
  assertEquals(tokenizer.tokenize("<t><t><t>", SPECIAL), [two, one]);
});

Deno.test("tokenize() finds user-defined tokens in any text", () => {
  const metadata = tinyVocabularyMetadata();
  const kinds = (metadata["tokenizer.ggml.token_type"] as number[]).with(2, 4);
  const tokenizer = tiny({ "tokenizer.ggml.token_type": kinds });
  assertEquals(tokenizer.tokenize("he<|im_end|>", PLAIN), [merged(0), 2]);
  assert(!tokenizer.isControl(2));
});

Deno.test("detokenize() inverts tokenize() for every text of a vocabulary with all bytes", () => {
  const tokenizer = tiny();
  const text = fc.string({ unit: "binary", maxLength: 60 });
  fc.assert(fc.property(text, fc.boolean(), (value, parseSpecial) => {
    assertEquals(tokenizer.detokenize(tokenizer.tokenize(value, { parseSpecial })), value);
  }));
});

Deno.test("detokenize() keeps a byte order mark and puts U+FFFD for half a code point", () => {
  assertEquals(tiny().detokenize(byteIds("\uFEFFx")), "\uFEFFx");
  assertEquals(tiny().detokenize([...byteIds("é").slice(0, 1), ...byteIds("x")]), "\uFFFDx");
});

Deno.test("tokenBytes() gives a control token's name, a word's bytes, and refuses unknown ids", () => {
  const utf8 = (text: string) => new TextEncoder().encode(text);
  assertEquals(tiny().tokenBytes(2), utf8("<|im_end|>"));
  assertEquals(tiny().tokenBytes(merged(8)), utf8(" world"));
  assertEquals(tiny().tokenBytes(TINY_BYTE_FIRST + 0xff), Uint8Array.of(0xff));
  for (const id of [-1, TINY_TOKEN_COUNT, 0.5, NaN]) {
    assertThrows(() => tiny().tokenBytes(id), RangeError, `id ${id}`);
  }
});

Deno.test("createTokenizer() reads end and begin ids, and BOS by the file or the pre-tokenizer", () => {
  assertEquals([tiny().eosIds, tiny().bosId, tiny().addBos], [[2, 0], 1, false]);
  assertEquals(tiny({ "tokenizer.ggml.eot_token_id": 5 }).eosIds, [2, 5, 0]);
  assertEquals(tiny({ "tokenizer.ggml.add_bos_token": true }).addBos, true);
  const { "tokenizer.ggml.add_bos_token": _, ...unsaid } = tinyVocabularyMetadata();
  const addBos = (pre: string) =>
    createTokenizer(new GgufMetadata({ ...unsaid, "tokenizer.ggml.pre": pre }), new Map()).addBos;
  assertEquals([addBos("gpt-2"), addBos("llama-bpe")], [false, true]);
  assertEquals([tiny().isControl(1), tiny().isControl(3)], [true, false]);
});

Deno.test("createTokenizer() names keys that contradict each other", () => {
  const cases = [
    [{ "tokenizer.ggml.eos_token_id": 9999 }, "model_file_invalid", "eos_token_id"],
    [{ "tokenizer.ggml.token_type": [1] }, "model_file_invalid", "1 token types"],
  ] as const;
  for (const [changed, code, says] of cases) {
    assertEquals(assertThrows(() => tiny(changed), EngineError, says).code, code);
  }
});

Deno.test("createTokenizer() of a tokenizer it does not have reads ids, refuses texts, says why", () => {
  const warn = console.warn;
  const said: string[] = [];
  console.warn = (text: string) => said.push(text);
  try {
    const tokenizer = tiny({ "tokenizer.ggml.model": "bert" });
    assertEquals([tokenizer.vocabSize, tokenizer.eosIds], [TINY_TOKEN_COUNT, [2, 0]]);
    assertEquals([tokenizer.hasTexts, tiny({}).hasTexts], [false, true]);
    assertEquals(tokenizer.detokenize([TINY_BYTE_FIRST, TINY_MERGE_FIRST]), "");
    const error = assertThrows(() => tokenizer.tokenize("hi", PLAIN), EngineError);
    assertEquals(error.code, "invalid_request");
    assertStringIncludes(error.message, 'tokenizer is "bert"; supported: gpt2, llama, gemma4');
    const { vocabSize } = createTokenizer(
      new GgufMetadata({ "general.architecture": "llama", "llama.vocab_size": 320 }),
      new Map(),
    );
    assertEquals(vocabSize, 320);
    // Where no key says how many, the embedding does.
    const tensors = new Map([["token_embd.weight", { shape: [64, 288] }]]);
    const silent = new GgufMetadata({ "general.architecture": "qwen2" });
    assertEquals(createTokenizer(silent, tensors).vocabSize, 288);
  } finally {
    console.warn = warn;
  }
  assertEquals(said.length, 2, "each warning once");
  assertStringIncludes(said[0], "only token ids are served");
  assertStringIncludes(said[1], "The model file has no tokenizer");
});

for (const none of [2 ** 32 - 1, -1]) {
  Deno.test(`createTokenizer() reads a special id of ${none} as none`, () => {
    const ids = { "tokenizer.ggml.eos_token_id": none, "tokenizer.ggml.bos_token_id": none };
    assertEquals([tiny(ids).eosIds, tiny(ids).bosId, tiny(ids).addBos], [[0, 2], null, false]);
  });
}

Deno.test("preTokenizerRule() warns of a name that is not known, and says what is used", () => {
  const gpt2 = preTokenizerRule("gpt-2");
  for (const name of ["gpt-2", "default", "smollm", "llama-bpe", "qwen2", "tekken", "kimi-k2"]) {
    assertEquals(preTokenizerRule(name).warning, null);
  }
  for (const [name, said] of [["nobody", '"nobody" is not known'], [null, "names no"]] as const) {
    const { rule, warning } = preTokenizerRule(name);
    assertEquals(rule, gpt2.rule);
    assertStringIncludes(warning!, said);
    assertStringIncludes(warning!, "gpt-2's is used");
  }
});

/** Words into which pre-tokenizers cut texts: tokens of a vocabulary without merges, counted. */
const WORDS: { pre: string; text: string; words: string[]; why: string }[] = [
  { pre: "gpt-2", text: "a  b1234", words: ["a", " ", " b", "1234"], why: "digits together" },
  { pre: "smollm", text: "x 12", words: ["x", " ", "1", "2"], why: "digits one by one" },
  { pre: "smollm", text: "٣٤²", words: ["٣", "٤", "²"], why: "digits of any script" },
  { pre: "llama-bpe", text: "12345", words: ["123", "45"], why: "at most three digits" },
  { pre: "llama-bpe", text: "I'LL\n\n", words: ["I", "'LL", "\n\n"], why: "endings in any case" },
  { pre: "llama-bpe", text: ".x", words: [".x"], why: "a sign joins the next letters" },
  { pre: "qwen2", text: "12345", words: ["1", "2", "3", "4", "5"], why: "one digit" },
  { pre: "qwen2", text: "a \n b", words: ["a", " \n", " b"], why: "line feeds end a word" },
  { pre: "gpt-4o", text: "helloWorld's", words: ["hello", "World's"], why: "upper case begins" },
  { pre: "gpt-4o", text: "a//\n\nb", words: ["a", "//\n\n", "b"], why: "slashes and line feeds" },
  { pre: "tekken", text: "aB12", words: ["a", "B", "1", "2"], why: "one digit" },
  { pre: "kimi-k2", text: "a中文b", words: ["a", "中文", "b"], why: "Han apart" },
  { pre: "deepseek-v3", text: "12345あx", words: ["123", "45", "あ", "x"], why: "kana apart" },
  { pre: "glm4", text: "1234 a", words: ["123", "4", " a"], why: "at most three digits" },
  { pre: "falcon", text: "a.b123", words: ["a", ".", "b", "123"], why: "signs apart" },
  { pre: "bloom", text: "a,b c", words: ["a", ",", "b", " c"], why: "punctuation apart" },
  { pre: "bailingmoe", text: "I'LL 12", words: ["I", "'LL", " ", "1", "2"], why: "one digit" },
  { pre: "minicpm5", text: "12345 it's", words: ["123", "45", " it", "'s"], why: "digits first" },
  { pre: "laguna", text: "a\n\nb", words: ["a", "\n\n", "b"], why: "lines first" },
  { pre: "cohere2moe", text: "12345", words: ["12", "345"], why: "digits from the right" },
  { pre: "gpt-2", text: "!\u0085", words: ["!", "\u0085"], why: "U+0085 is white space" },
  { pre: "gpt-2", text: "!\uFEFF", words: ["!\uFEFF"], why: "U+FEFF is not" },
];

for (const { pre, text, words, why } of WORDS) {
  Deno.test(`tokenize() cuts ${JSON.stringify(text)} by ${pre} (${why})`, () => {
    assertEquals(wordsOf(pre, text), words);
  });
}

/** The words of `text`: with a merge for each pair of byte characters, a word becomes one token. */
function wordsOf(pre: string, text: string): string[] {
  const metadata = tinyVocabularyMetadata();
  const tokens = [...metadata["tokenizer.ggml.tokens"] as string[]];
  const kinds = [...metadata["tokenizer.ggml.token_type"] as number[]];
  const characters = [...new TextEncoder().encode(text)].map((byte) =>
    tokens[TINY_BYTE_FIRST + byte]
  );
  const merges: string[] = [];
  for (let begin = 0; begin < characters.length; begin++) {
    for (let end = begin + 2; end <= characters.length; end++) {
      const left = characters.slice(begin, end - 1).join("");
      merges.push(`${left} ${characters[end - 1]}`);
      tokens.push(left + characters[end - 1]);
      kinds.push(1);
    }
  }
  const unique = new Map(tokens.map((token, id) => [token, kinds[id]]));
  const tokenizer = createTokenizer(
    new GgufMetadata({
      ...metadata,
      "tokenizer.ggml.pre": pre,
      "tokenizer.ggml.merges": [...new Set(merges)],
      "tokenizer.ggml.tokens": [...unique.keys()],
      "tokenizer.ggml.token_type": [...unique.values()],
    }),
    new Map(),
  );
  return tokenizer.tokenize(text, PLAIN).map((id) => tokenizer.detokenize([id]));
}
