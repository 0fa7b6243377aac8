/**
 * Documents with facts to find again: a long text in which lines with codes are hidden at even
 * depths, and, in four tables between its paragraphs, pairs of a key and a value. Every fact is
 * asked for, all of them after the same document, so that the document is read once.
 *
 * A key is three words that occur in no other key, and its digits follow it without a space. It is
 * given, and what is scored is whether the model goes on greedily with the right digits. Of several
 * forms tried that is the one in which a small model does best with the exact cache (23 of 24 in
 * 2,048 tokens; in whole sentences, "The secret code of apple is 7391", 5 of 16), so that what a
 * codec loses is seen.
 *
 * @module
 */

import type { ChatTemplate, Tokenizer } from "../../tokenizer/types.ts";
import { withBos } from "../../tokenizer/with_bos.ts";
import { seededRandom } from "../../core/seeded_random.ts";
import { KEY_WORDS } from "./words.ts";

/** What is asked for. */
export type RetrievalKind = "code" | "pair";

/** One fact to find again. */
export interface RetrievalCase {
  kind: RetrievalKind;
  key: string;
  /** Where it stands in the document: 0 at its start, 1 at its end. */
  depth: number;
  /** Fed after the document, up to where the answer begins. */
  questionIds: readonly number[];
  /** The answer's tokens. */
  answerIds: readonly number[];
}

/** A document and what is asked about it. */
export interface RetrievalTask {
  /** Whether the document is a message in the model's chat template. */
  form: "chat" | "completion";
  /** The document: exactly `tokenCount` tokens. */
  documentIds: readonly number[];
  cases: readonly RetrievalCase[];
}

/** How to make a document. */
export interface RetrievalOptions {
  /** Tokens of the document. */
  tokenCount: number;
  /** Facts of each kind. */
  caseCount: number;
  seed: number;
  tokenizer: Tokenizer;
  /** Null to ask for a completion. */
  chatTemplate: ChatTemplate | null;
}

/** Tokens at the document's end without facts: the raw window, so that all of them were sealed. */
const TAIL_TOKEN_COUNT = 256;
const TABLE_COUNT = 4;
const CODE_DIGIT_COUNT = 4;
const WORDS_PER_KEY = 3;

const INTRODUCTION = "Read this text. There are codes in it.\n\n";
const QUESTION = "\n\nComplete the line.";
const MESSAGE_MARK = "@@document@@";

interface Fact {
  kind: RetrievalKind;
  key: string;
  value: string;
}

/**
 * Makes a document of the beginning of `text`.
 *
 * @throws {RangeError} If the text is too short, or there are more facts than words or room.
 */
export function makeRetrievalTask(text: string, options: RetrievalOptions): RetrievalTask {
  const { tokenCount, tokenizer, chatTemplate } = options;
  const tokenize = (part: string) => tokenizer.tokenize(part, { parseSpecial: false });
  const frame = messageFrame(tokenizer, chatTemplate);
  const facts = makeFacts(options);
  const lines = factLines(facts);
  const head = [...frame.headIds, ...tokenize(INTRODUCTION)];
  const lineIds = lines.map(({ text }) => tokenize(text));
  const lineTokenCount = lineIds.reduce((sum, ids) => sum + ids.length, 0);
  const fillCount = tokenCount - head.length - lineTokenCount;
  const roomCount = fillCount - TAIL_TOKEN_COUNT;
  if (roomCount < 0) {
    throw new RangeError(
      `Cannot hide ${facts.length} facts in ${tokenCount} tokens: they take ${lineTokenCount} ` +
        `and the last ${TAIL_TOKEN_COUNT} hold none`,
    );
  }
  const fill = sentences(text).map(tokenize);
  const depths = new Map<Fact, number>();
  const documentIds = [...head];
  let filledCount = 0;
  let next = 0;
  for (const [index, { facts: own }] of lines.entries()) {
    const target = roomCount * (index + 0.5) / lines.length;
    for (; filledCount < target && next < fill.length; filledCount += fill[next++].length) {
      documentIds.push(...fill[next]);
    }
    for (const fact of own) depths.set(fact, documentIds.length / tokenCount);
    documentIds.push(...lineIds[index]);
  }
  for (; documentIds.length < tokenCount && next < fill.length; next++) {
    documentIds.push(...fill[next]);
  }
  if (documentIds.length < tokenCount) {
    throw new RangeError(
      `Cannot make a document of ${tokenCount} tokens: the text is enough for ` +
        `${documentIds.length}`,
    );
  }
  return {
    form: chatTemplate === null ? "completion" : "chat",
    documentIds: documentIds.slice(0, tokenCount),
    cases: facts.map((fact) => makeCase(fact, depths.get(fact)!, { frame, tokenizer })),
  };
}

/** Texts around a message, as token ids. */
interface Frame {
  headIds: readonly number[];
  /** From the message's end to where the answer begins. */
  tail: string;
}

function messageFrame(tokenizer: Tokenizer, chatTemplate: ChatTemplate | null): Frame {
  if (chatTemplate === null) return { headIds: withBos(tokenizer, []), tail: "" };
  const message = { role: "user", content: MESSAGE_MARK };
  const { text } = chatTemplate.render([message], { addGenerationPrompt: true });
  const [head, tail] = text.split(MESSAGE_MARK);
  const ids = tokenizer.tokenize(head, { parseSpecial: true });
  return { headIds: withBos(tokenizer, ids), tail };
}

function makeFacts({ caseCount, seed }: RetrievalOptions): Fact[] {
  const caseCountMax = Math.floor(KEY_WORDS.length / WORDS_PER_KEY / 2);
  if (!(caseCount >= 1 && caseCount <= caseCountMax)) {
    throw new RangeError(
      `Cannot make ${caseCount} cases of each kind: must be 1 to ${caseCountMax}`,
    );
  }
  const random = seededRandom(seed);
  const words = shuffled(KEY_WORDS, random);
  return Array.from({ length: 2 * caseCount }, (_, index): Fact => {
    const digits = Array.from({ length: CODE_DIGIT_COUNT }, () => Math.floor(random() * 10));
    const own = words.splice(0, WORDS_PER_KEY);
    const value = digits.join("");
    return index < caseCount
      ? { kind: "code", key: own.join(" "), value }
      : { kind: "pair", key: own.join(", "), value };
  });
}

interface Line {
  text: string;
  facts: readonly Fact[];
}

/** A line for each code; the pairs in tables, put at even places among them. */
function factLines(facts: readonly Fact[]): Line[] {
  const lines: Line[] = facts.filter(({ kind }) => kind === "code").map((fact) => {
    return { text: `\n\n${fact.key}${fact.value}\n\n`, facts: [fact] };
  });
  const pairs = facts.filter(({ kind }) => kind === "pair");
  const tableCount = Math.min(TABLE_COUNT, pairs.length);
  for (let table = tableCount - 1; table >= 0; table--) {
    const own = pairs.filter((_, index) => index % tableCount === table);
    const rows = own.map((fact) => `${fact.key}${fact.value}\n`).join("");
    const place = Math.round(lines.length * (table + 0.5) / tableCount);
    lines.splice(place, 0, { text: `\n\nEntries:\n\n${rows}\n`, facts: own });
  }
  return lines;
}

function makeCase(
  fact: Fact,
  depth: number,
  { frame, tokenizer }: { frame: Frame; tokenizer: Tokenizer },
): RetrievalCase {
  const { kind, key, value } = fact;
  const question = `${frame.tail === "" ? "" : `${QUESTION}${frame.tail}`}\n\n${key}`;
  const questionIds = tokenizer.tokenize(question, { parseSpecial: true });
  const wholeIds = tokenizer.tokenize(question + value, { parseSpecial: true });
  // A tokenizer may put the end of the key and the first digit in one token.
  const sameCount = questionIds.findIndex((id, index) => id !== wholeIds[index]);
  const answerStart = sameCount === -1 ? questionIds.length : sameCount;
  return {
    kind,
    key,
    depth,
    questionIds: wholeIds.slice(0, answerStart),
    answerIds: wholeIds.slice(answerStart),
  };
}

/** Sentences with the white space behind them; together they are the text. */
function sentences(text: string): string[] {
  return text.match(/[^.!?\n]*(?:[.!?]+|\n|$)\s*/g)?.filter((part) => part !== "") ?? [];
}

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const left = [...values];
  return values.map(() => left.splice(Math.floor(random() * left.length), 1)[0]);
}
