/**
 * Regular expressions of JSON schemas as the grammar library can follow them inside a JSON string:
 * what would have to be escaped there must not be matched.
 *
 * @module
 */

type Range = readonly [first: number, last: number];

const ASCII: readonly Range[] = [[0, 0x7f]];
const CODE_POINT_MAX = 0x10ffff;

/** Code points that a string of a JSON text holds as they are: neither quote nor backslash. */
const PLAIN_RANGES: readonly Range[] = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, CODE_POINT_MAX],
];

const CLASSES: Readonly<Record<string, readonly Range[]>> = {
  d: [[0x30, 0x39]],
  w: [[0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]],
};

/** Characters that may follow a backslash to stand for themselves. */
const ESCAPABLE = new Set("^$.*+?()[]{}|/-");

/** What the two have in common. */
function common(a: readonly Range[], b: readonly Range[]): Range[] {
  return a.flatMap(([firstA, lastA]) =>
    b.flatMap(([firstB, lastB]): Range[] => {
      const [first, last] = [Math.max(firstA, firstB), Math.min(lastA, lastB)];
      return first <= last ? [[first, last]] : [];
    })
  );
}

/** Every code point that is in none of the ranges. */
function others(ranges: readonly Range[]): Range[] {
  const sorted = [...ranges].sort(([a], [b]) => a - b);
  const result: Range[] = [];
  let next = 0;
  for (const [first, last] of sorted) {
    if (first > next) result.push([next, first - 1]);
    next = Math.max(next, last + 1);
  }
  return next > CODE_POINT_MAX ? result : [...result, [next, CODE_POINT_MAX]];
}

/**
 * The library is right about ranges of ASCII, and about classes of all characters but some of
 * ASCII, so a class must be one or the other.
 */
function writeClass(ranges: readonly Range[]): string {
  const inside = common(ranges, PLAIN_RANGES);
  if (inside.length === 0) throw new RangeError("it has a class of nothing a string may hold");
  const isOpen = common(inside, others(ASCII)).some(([first]) => first > 0x7f);
  const written = isOpen ? others(inside) : inside;
  if (written.some(([, last]) => last > 0x7f && last < CODE_POINT_MAX)) {
    throw new RangeError("it has a class that parts characters outside ASCII");
  }
  const write = (code: number) => `\\x${code.toString(16).padStart(2, "0")}`;
  const parts = common(written, ASCII).map(([a, b]) =>
    a === b ? write(a) : `${write(a)}-${write(b)}`
  );
  return `[${isOpen ? "^" : ""}${parts.join("")}]`;
}

/** Any character that need not be escaped. */
const PLAIN = writeClass(PLAIN_RANGES);

/** A pattern for strings of a length. */
export function lengthPattern(min: number, max: number | null): string {
  return `^${PLAIN}{${min},${max ?? ""}}$`;
}

class Rewriter {
  readonly #pattern: string;
  #at = 0;
  #result = "";

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  run(): string {
    while (this.#at < this.#pattern.length) {
      const character = this.#pattern[this.#at++];
      if (character === "\\") this.#result += this.#escape();
      else if (character === "[") this.#result += this.#class();
      else if (character === ".") this.#result += PLAIN;
      else if (character === '"') throw new RangeError('it matches "');
      else if (character === "(" && this.#pattern[this.#at] === "?") this.#group();
      else this.#result += character;
    }
    return this.#result;
  }

  /** Only a group that captures nothing may begin with a question mark. */
  #group(): void {
    if (this.#pattern[this.#at + 1] !== ":") throw new RangeError("it has a special group");
    this.#at += 2;
    this.#result += "(";
  }

  #escape(): string {
    const escaped = this.#escaped();
    return typeof escaped === "number" ? `\\${String.fromCodePoint(escaped)}` : writeClass(escaped);
  }

  /** The code point after a backslash, or the ranges of a class. */
  #escaped(): number | readonly Range[] {
    const character = this.#pattern[this.#at++] ?? "";
    if (Object.hasOwn(CLASSES, character)) return CLASSES[character];
    if (ESCAPABLE.has(character)) return character.codePointAt(0)!;
    throw new RangeError(`it has \\${character}`);
  }

  #classMember(): number | readonly Range[] {
    const code = this.#pattern.codePointAt(this.#at);
    if (code === undefined) throw new RangeError("it has an open class");
    this.#at += String.fromCodePoint(code).length;
    return code === 0x5c ? this.#escaped() : code;
  }

  #class(): string {
    const isNegated = this.#pattern[this.#at] === "^";
    if (isNegated) this.#at++;
    const ranges: Range[] = [];
    while (this.#pattern[this.#at] !== "]") {
      const first = this.#classMember();
      if (typeof first !== "number") {
        ranges.push(...first);
        continue;
      }
      const isRange = this.#pattern[this.#at] === "-" && this.#pattern[this.#at + 1] !== "]";
      if (isRange) this.#at++;
      const last = isRange ? this.#classMember() : first;
      if (typeof last !== "number" || last < first) throw new RangeError("it has a wrong range");
      ranges.push([first, last]);
    }
    this.#at++;
    return writeClass(isNegated ? others(ranges) : ranges);
  }
}

/**
 * Rewrites a pattern.
 *
 * @throws {RangeError} If it holds what cannot be followed; says what.
 */
export function jsonStringPattern(pattern: string): string {
  const body = new Rewriter(pattern).run();
  // A pattern matches anywhere unless it is anchored.
  const start = body.startsWith("^") ? "" : `^${PLAIN}*`;
  const end = body.endsWith("$") && !body.endsWith("\\$") ? "" : `${PLAIN}*$`;
  return start + body + end;
}
