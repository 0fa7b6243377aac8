/**
 * How many tokens a text takes at least, found in a hundredth of the time that tokenizing takes.
 *
 * @module
 */

/**
 * Bounds by the lengths of the tokens that begin with a text's bytes, two by two: with each token
 * the text is read no further than the longest token reaches that begins anywhere before.
 */
export class TokenBound {
  /** Bytes of the longest token by its first two. */
  readonly #longest = new Uint16Array(2 ** 16).fill(1);
  /** Whether a byte is a token by itself; one that is not may be left out of a text's tokens. */
  readonly #isToken = new Uint8Array(2 ** 8);

  /** @param tokenBytes What each token stands for. */
  constructor(tokenBytes: Iterable<Uint8Array>) {
    for (const bytes of tokenBytes) {
      const [first, second] = bytes;
      if (bytes.length === 1) this.#isToken[first] = 1;
      if (bytes.length < 2) continue;
      const pair = first << 8 | second;
      this.#longest[pair] = Math.max(this.#longest[pair], Math.min(bytes.length, 2 ** 16 - 1));
    }
  }

  /** A number of tokens that `text` takes or exceeds. */
  least(text: string): number {
    const bytes = new TextEncoder().encode(text);
    let [count, reach, at] = [0, 0, 0];
    while (true) {
      while (reach < bytes.length && this.#isToken[bytes[reach]] === 0) reach++;
      if (reach >= bytes.length) return count;
      let next = reach;
      for (; at <= reach; at++) {
        next = Math.max(next, at + this.#longest[bytes[at] << 8 | (bytes[at + 1] ?? 0)]);
      }
      reach = next;
      count++;
    }
  }
}
