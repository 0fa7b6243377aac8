/**
 * Finds special tokens written in a text, of which a vocabulary may have thousands.
 *
 * @module
 */

/** Special tokens by their text. */
export class SpecialTokens {
  readonly #ids: ReadonlyMap<string, number>;
  /** Lengths of the texts that begin with a UTF-16 unit, longest first. */
  readonly #lengths = new Map<number, number[]>();
  #beginnings: ReadonlySet<string> | null = null;
  #lengthMax = 0;

  /** @param ids Id of each special token, by its text. */
  constructor(ids: ReadonlyMap<string, number>) {
    this.#ids = ids;
    for (const { length, 0: first } of ids.keys()) {
      if (length === 0) continue;
      const unit = first.charCodeAt(0);
      const lengths = this.#lengths.get(unit) ?? [];
      if (!lengths.includes(length)) lengths.push(length);
      this.#lengths.set(unit, lengths);
      this.#lengthMax = Math.max(this.#lengthMax, length);
    }
    for (const lengths of this.#lengths.values()) lengths.sort((a, b) => b - a);
  }

  /**
   * Ids of special tokens and the texts between them, in order; no text is empty. At each place
   * the longest is taken, from left to right.
   */
  split(text: string): (number | string)[] {
    const pieces: (number | string)[] = [];
    let begin = 0;
    for (let at = 0; at < text.length;) {
      const found = this.#find(text, at);
      if (found === null) {
        at++;
        continue;
      }
      if (at > begin) pieces.push(text.slice(begin, at));
      pieces.push(this.#ids.get(found)!);
      at += found.length;
      begin = at;
    }
    if (begin < text.length) pieces.push(text.slice(begin));
    return pieces;
  }

  /** As {@link split}, with the texts of special tokens given by `replace`, joined. */
  replace(text: string, replace: (found: string) => string): string {
    let result = "";
    let begin = 0;
    for (let at = 0; at < text.length;) {
      const found = this.#find(text, at);
      if (found === null) {
        at++;
        continue;
      }
      result += text.slice(begin, at) + replace(found);
      at += found.length;
      begin = at;
    }
    const rest = text.slice(begin);
    const beginning = this.#beginningAtEnd(rest);
    if (beginning === "") return result + rest;
    const before = rest.trimEnd().length - beginning.length;
    return result + rest.slice(0, before) + replace(beginning) +
      rest.slice(before + beginning.length);
  }

  #find(text: string, at: number): string | null {
    for (const length of this.#lengths.get(text.charCodeAt(at)) ?? []) {
      const candidate = text.slice(at, at + length);
      if (candidate.length === length && this.#ids.has(candidate)) return candidate;
    }
    return null;
  }

  /** What ends a text, white space aside, and what the next text may complete to a token. */
  #beginningAtEnd(text: string): string {
    const end = text.trimEnd();
    this.#beginnings ??= beginningsOf(this.#ids.keys());
    for (let length = Math.min(this.#lengthMax - 1, end.length); length > 0; length--) {
      const candidate = end.slice(-length);
      if (this.#beginnings.has(candidate)) return candidate;
    }
    return "";
  }
}

function beginningsOf(names: Iterable<string>): Set<string> {
  const beginnings = new Set<string>();
  for (const name of names) {
    for (let length = 1; length < name.length; length++) beginnings.add(name.slice(0, length));
  }
  return beginnings;
}
