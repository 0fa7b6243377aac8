/**
 * Texts to be copied word for word: what people put far back into a prompt and expect to find in
 * the answer as it was. They are drawn by a seed, so that no model knows them.
 *
 * @module
 */

import { seededRandom } from "../../core/seeded_random.ts";
import { KEY_WORDS } from "../retrieval/words.ts";

/** Kinds of pieces. */
export const PIECE_KINDS = ["table", "json", "names", "code", "call"] as const;
/** One of them. */
export type PieceKind = (typeof PIECE_KINDS)[number];

/** A text, and the parts of it that count by themselves: fields, cells, names, lines. */
export interface Piece {
  kind: PieceKind;
  text: string;
  /** Characters of its first two lines, which say what it is and begin it: given, not scored. */
  given: number;
  /** Places of the parts in the text, in characters. */
  parts: readonly { start: number; end: number }[];
}

type Draw = {
  word: () => string;
  number: (max: number) => number;
};

/** Texts as a list: strings that are parts stand in an array of one. */
type Fragment = string | readonly [string];

const MAKERS: Record<PieceKind, (draw: Draw) => Fragment[]> = {
  table: ({ word, number }) =>
    lines("item,place,count,price", 12, () => [
      [word()],
      ",",
      [word()],
      ",",
      [String(number(1000))],
      ",",
      [`${number(100)}.${10 + number(90)}`],
    ]),
  json: ({ word, number }) => [
    '{"orders": [\n',
    ...lines(null, 8, () => [
      '  {"id": ',
      [String(10000 + number(90000))],
      ', "name": "',
      [`${word()} ${word()}`],
      '", "paid": ',
      [number(2) === 0 ? "true" : "false"],
      "},",
    ]),
    "]}\n",
  ],
  names: ({ word }) => lines("Guests:", 32, () => [[`${capital(word())} ${capital(word())}`]]),
  code: ({ word, number }) => [
    `function ${word()}(input) {\n`,
    ...lines(null, 14, () => ["  ", [`input.${word()} += ${number(10000)};`]]),
    "}\n",
  ],
  call: ({ word, number }) => [
    `{"name": "${word()}_${word()}", "arguments": {\n`,
    ...lines(null, 10, () => ['  "', word(), '": "', [`${word()}-${1000 + number(9000)}`], '",']),
    "}}\n",
  ],
};

/** Draws a piece. */
export function makePiece(kind: PieceKind, seed: number): Piece {
  const random = seededRandom(seed * PIECE_KINDS.length + PIECE_KINDS.indexOf(kind));
  const number = (max: number) => Math.floor(random() * max);
  const draw: Draw = { number, word: () => KEY_WORDS[number(KEY_WORDS.length)] };
  let text = "";
  const parts: { start: number; end: number }[] = [];
  for (const fragment of MAKERS[kind](draw)) {
    const own = typeof fragment === "string" ? fragment : fragment[0];
    if (typeof fragment !== "string") {
      parts.push({ start: text.length, end: text.length + own.length });
    }
    text += own;
  }
  return { kind, text, given: text.indexOf("\n", text.indexOf("\n") + 1) + 1, parts };
}

function lines(head: string | null, count: number, make: () => Fragment[]): Fragment[] {
  const rows = Array.from({ length: count }, () => [...make(), "\n"]).flat();
  return head === null ? rows : [`${head}\n`, ...rows];
}

function capital(word: string): string {
  return word[0].toUpperCase() + word.slice(1);
}
