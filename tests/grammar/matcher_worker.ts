/** Follows grammars through texts with the library, token by token, in two ways of cutting them. */

import type { CompiledGrammar, GrammarCompiler } from "@mlc-ai/web-xgrammar";
import { createCompiler, keepOutput, loadLibrary, reasonOf } from "../../src/grammar/library.ts";
import { BYTE_CHARACTERS } from "../../src/tokenizer/byte_level.ts";

/** What to try: texts under a grammar. */
export interface MatchRequest {
  grammar: string;
  texts: readonly string[];
}

/** Whether each text is accepted; or why the grammar is no grammar. */
export type MatchAnswer = { accepted: boolean[] } | { fault: string };

const END = 0;
/** Tokens of several bytes, some of which belong to two parts of a JSON text. */
const LONG = [
  '{"',
  '":',
  '": ',
  '": "',
  '","',
  '", "',
  '"}',
  '"},',
  '"]',
  "},{",
  "}, {",
  ", ",
  '["',
  "[{",
  " {",
  ' "',
  "\n ",
  "  ",
  "true",
  "false",
  "null",
  "tr",
  "al",
  "12",
  "00",
  "123",
  "-1",
  "0.",
  ".5",
  "the",
  " the",
  "ing",
  "path",
  "name",
  "file",
  "_id",
  "na",
  "at",
  "//",
  "://",
  ".com",
  '\\"',
  "\\n",
  "\\u",
  "\\\\",
  "00e9",
  "é",
  "日",
  "日本",
  "a b",
  "ab",
  "abc",
  "aa",
  "aaaa",
  "xx",
  "e+",
  "20",
  "-0",
];

const bytesOf = (text: string) => [...new TextEncoder().encode(text)];
const alphabetOf = (text: string) => bytesOf(text).map((byte) => BYTE_CHARACTERS[byte]).join("");
const tokens = ["<end>", ...BYTE_CHARACTERS, ...LONG.map(alphabetOf)];
const idOf = new Map(tokens.map((token, id) => [token, id]));
const longestMax = Math.max(...LONG.map((text) => bytesOf(text).length));

/** Cuts a text into tokens of up to so many bytes. */
function cut(text: string, most: number): number[] {
  const letters = bytesOf(text).map((byte) => BYTE_CHARACTERS[byte]);
  const ids: number[] = [];
  for (let at = 0; at < letters.length;) {
    let size = Math.min(most, letters.length - at);
    while (!idOf.has(letters.slice(at, at + size).join(""))) size--;
    ids.push(idOf.get(letters.slice(at, at + size).join(""))!);
    at += size;
  }
  return ids;
}

async function follow(compiled: CompiledGrammar, ids: readonly number[]): Promise<boolean> {
  const { GrammarMatcher } = await loadLibrary();
  const matcher = await GrammarMatcher.createGrammarMatcher(compiled);
  try {
    for (const id of [...ids, END]) {
      const mask = await matcher.getNextTokenBitmask();
      const isAllowed = (mask[id >> 5] >>> (id & 31) & 1) === 1;
      if (matcher.acceptToken(id) !== isAllowed) throw new Error(`mask and token ${id} differ`);
      if (!isAllowed) return false;
    }
    return true;
  } finally {
    matcher.dispose();
  }
}

let compiler: Promise<GrammarCompiler> | null = null;

async function answer({ grammar, texts }: MatchRequest): Promise<MatchAnswer> {
  compiler ??= createCompiler({ tokens, eosIds: [END] });
  try {
    const compiled = await (await compiler).compileGrammar(grammar);
    const accepted: boolean[] = [];
    for (const text of texts) {
      const short = await follow(compiled, cut(text, 1));
      const long = await follow(compiled, cut(text, longestMax));
      if (short !== long) throw new Error(`${text}: bytes ${short}, tokens ${long}`);
      accepted.push(short);
    }
    return { accepted };
  } catch (cause) {
    return { fault: reasonOf(cause) };
  }
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<MatchRequest | null>) => void;
  close(): void;
  postMessage(answer: MatchAnswer): void;
};

keepOutput();
scope.onmessage = async ({ data }) => {
  if (data === null) return scope.close();
  scope.postMessage(await answer(data));
};
