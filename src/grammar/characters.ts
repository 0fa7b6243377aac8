/**
 * Characters as a string of a JSON text holds them: as UTF-8 bytes, or escaped.
 *
 * @module
 */

import {
  choice,
  EMPTY,
  type Expression,
  type Grammar,
  repeat,
  sequence,
  text,
} from "./expression.ts";
import { counted } from "./counts.ts";
import { ANY_CODE, common, others, type Range, union } from "./ranges.ts";

const ESCAPED_ONLY: readonly Range[] = [[0, 0x1f], [0x22, 0x22], [0x5c, 0x5c]];
const PLAIN_ASCII: readonly Range[] = common(others(ESCAPED_ONLY), [[0, 0x7f]]);
const BEYOND_ASCII: readonly Range[] = common(ANY_CODE, [[0x80, 0x10ffff]]);
/** Also the slash, whose escape is optional. */
const ESCAPABLE: readonly Range[] = union(ESCAPED_ONLY, [[0x2f, 0x2f]]);
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  "\b": "b",
  "\f": "f",
  "\n": "n",
  "\r": "r",
  "\t": "t",
};

const byte = (first: number, last: number): Expression => ({
  kind: "bytes",
  ranges: [[first, last]],
});

/** Sequences of as many digits of a base that count from one to the other: `first[0]` leads. */
export function digitRanges(
  first: readonly number[],
  last: readonly number[],
  max: number,
): (readonly Range[])[] {
  const [low, ...lowRest] = first;
  const [high, ...highRest] = last;
  if (lowRest.length === 0) return [[[low, high]]];
  const all = lowRest.map((): Range => [0, max]);
  const isFromFirst = lowRest.every((digit) => digit === 0);
  const isToLast = highRest.every((digit) => digit === max);
  if (low === high) {
    return digitRanges(lowRest, highRest, max).map((rest) => [[low, low] as const, ...rest]);
  }
  const middle: Range = [isFromFirst ? low : low + 1, isToLast ? high : high - 1];
  const top = lowRest.map(() => max);
  const bottom = highRest.map(() => 0);
  return [
    ...(isFromFirst
      ? []
      : digitRanges(lowRest, top, max).map((rest) => [[low, low] as const, ...rest])),
    ...(middle[0] <= middle[1] ? [[middle, ...all]] : []),
    ...(isToLast
      ? []
      : digitRanges(bottom, highRest, max).map((rest) => [[high, high] as const, ...rest])),
  ];
}

/** The six bits of each byte after the first, and what the first one holds beside its mark. */
function utf8Digits(code: number, byteCount: number): number[] {
  return Array.from({ length: byteCount }, (_, i) => {
    const bits = Math.floor(code / 64 ** (byteCount - 1 - i));
    return i === 0 ? bits : bits % 64;
  });
}

const UTF8_SIZES: readonly { codes: Range; mark: number }[] = [
  { codes: [0x80, 0x7ff], mark: 0xc0 },
  { codes: [0x800, 0xffff], mark: 0xe0 },
  { codes: [0x10000, 0x10ffff], mark: 0xf0 },
];

function utf8(ranges: readonly Range[]): Expression[] {
  return UTF8_SIZES.flatMap(({ codes, mark }, index) =>
    common(ranges, [codes]).flatMap(([first, last]) => {
      const size = index + 2;
      return digitRanges(utf8Digits(first, size), utf8Digits(last, size), 63).map((digits) =>
        sequence(...digits.map(([low, high], at) => {
          const base = at === 0 ? mark : 0x80;
          return byte(base + low, base + high);
        }))
      );
    })
  );
}

/** Escapes by a letter, and by number of those that cannot stand as they are. */
function escapes(ranges: readonly Range[]): Expression[] {
  const letters = Object.entries(SHORT_ESCAPES)
    .filter(([character]) => holds(ranges, character.codePointAt(0)!))
    .map(([, letter]) => letter);
  const numbers = common(ranges, ESCAPED_ONLY).flatMap(([first, last]) =>
    digitRanges([first >> 4, first & 15], [last >> 4, last & 15], 15)
  );
  return [
    ...(letters.length === 0 ? [] : [sequence(text("\\"), bytesOf(letters.join("")))]),
    ...numbers.map((digits) => sequence(text("\\u00"), ...digits.map(hexDigits))),
  ];
}

/** A digit of a range, in small or capital letters. */
function hexDigits([first, last]: Range): Expression {
  const all = "0123456789abcdef".slice(first, last + 1);
  return bytesOf([...new Set(all + all.toUpperCase())].sort().join(""));
}

function holds(ranges: readonly Range[], code: number): boolean {
  return ranges.some(([first, last]) => first <= code && code <= last);
}

const hexDigit: Expression = { kind: "bytes", ranges: [[0x30, 0x39], [0x41, 0x46], [0x61, 0x66]] };
const bytesOf = (characters: string): Expression => ({
  kind: "bytes",
  ranges: union([...characters].map((each): Range => [each.charCodeAt(0), each.charCodeAt(0)])),
});

/** `\u` and four digits, or two of them for a character that takes two; no halves. */
const anyEscape: readonly Expression[] = [
  sequence(text("\\"), bytesOf('"\\/bfnrt')),
  sequence(text("\\u"), bytesOf("0123456789abcefABCEF"), hexDigit, hexDigit, hexDigit),
  sequence(text("\\u"), bytesOf("dD"), byte(0x30, 0x37), hexDigit, hexDigit),
  sequence(
    text("\\u"),
    bytesOf("dD"),
    bytesOf("89abAB"),
    hexDigit,
    hexDigit,
    text("\\u"),
    bytesOf("dD"),
    bytesOf("cdefCDEF"),
    hexDigit,
    hexDigit,
  ),
];

const keyOf = (ranges: readonly Range[]) => ranges.map((range) => range.join("-")).join();

/**
 * A rule that refers to another. The library moves rules without references into the sequences that
 * begin with them, where these would multiply what it has to look at, and where it reads bytes
 * wrongly if there is a repetition.
 */
function apart(grammar: Grammar, stem: string, key: string, make: () => Expression): Expression {
  return grammar.shared(stem, key, () => grammar.shared(`${stem}_body`, key, make));
}

/** Ways to write one character of a set. */
interface Spellings {
  /** By one class; null if one class cannot say it. */
  plain: Expression | null;
  escaped: Expression[];
  /** By several bytes. */
  wide: Expression[];
}

function spellingsOf(ranges: readonly Range[]): Spellings {
  const ascii = common(ranges, PLAIN_ASCII);
  const isAny = others(ranges).length === 0;
  return {
    plain: ascii.length === 0 ? null : { kind: "bytes", ranges: ascii },
    escaped: isAny ? [...anyEscape] : escapes(common(ranges, ESCAPABLE)),
    // The library's classes of all but some bytes let wrong UTF-8 through.
    wide: utf8(common(ranges, BEYOND_ASCII)),
  };
}

/**
 * The ways to write one character of a set, each short.
 *
 * @param ranges Code points it may be.
 */
export function characterPaths(grammar: Grammar, ranges: readonly Range[]): Expression[] {
  const { plain, escaped, wide } = spellingsOf(ranges);
  const rules = [["escape", escaped], ["utf8", wide]] as const;
  return [
    ...(plain === null ? [] : [plain]),
    ...rules.flatMap(([stem, paths]) => {
      if (paths.length === 0) return [];
      return [apart(grammar, stem, JSON.stringify(paths), () => choice(...paths))];
    }),
  ];
}

/** One character of a set. */
export function character(grammar: Grammar, ranges: readonly Range[]): Expression {
  const paths = characterPaths(grammar, ranges);
  if (paths.length < 2) return choice(...paths);
  return grammar.shared("char", keyOf(ranges), () => choice(...paths));
}

/** Between `min` and `max` characters of a set; max null: no upper limit. */
export function characters(
  grammar: Grammar,
  ranges: readonly Range[],
  range: { min: number; max: number | null },
): Expression {
  const paths = characterPaths(grammar, ranges);
  return counted(grammar, { key: keyOf(ranges), paths, any: anyNumber(grammar, ranges) }, range);
}

/** The library is fast as long as one class repeats. */
function anyNumber(grammar: Grammar, ranges: readonly Range[]): Expression {
  return grammar.shared("chars", keyOf(ranges), (self) => {
    const { plain, escaped, wide } = spellingsOf(ranges);
    const stay = plain === null ? EMPTY : repeat(plain, 0, null);
    return choice(stay, ...[...escaped, ...wide].map((path) => sequence(stay, path, self)));
  });
}
