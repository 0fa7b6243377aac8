/** Words that tell of every read outside of them, which a typed array answers with nothing. */

/** A read outside. No reader catches it: it is no `RangeError`. */
export class ReadOutside extends Error {
  override name = "ReadOutside";
}

/**
 * A stand-in for a `Uint32Array` to read: an array whose own elements are the words, and whose
 * prototype throws for all that it does not know, such as an index beyond them.
 *
 * @throws {ReadOutside} From then on, at any read outside.
 */
export function guardedWords(words: ArrayLike<number>): Uint32Array {
  const guarded = new Array<number>(words.length);
  for (let index = 0; index < words.length; index++) guarded[index] = words[index];
  Object.setPrototypeOf(guarded, GUARD);
  return guarded as unknown as Uint32Array;
}

const METHODS = {
  subarray(this: number[], start: number, end?: number): Uint32Array {
    return guardedWords(copyOf(this, start, end));
  },
  slice(this: number[], start?: number, end?: number): Uint32Array {
    return copyOf(this, start, end);
  },
};

/** The words from `start` to `end`, both as typed arrays take them. */
function copyOf(words: number[], start = 0, end = words.length): Uint32Array {
  const place = (index: number) => {
    const whole = Math.trunc(index) || 0;
    return whole < 0 ? Math.max(0, words.length + whole) : Math.min(whole, words.length);
  };
  const [first, last] = [place(start), place(end)];
  const copy = new Uint32Array(Math.max(0, last - first));
  for (let index = 0; index < copy.length; index++) copy[index] = words[first + index];
  return copy;
}

const GUARD: object = new Proxy(METHODS, {
  get(methods, key) {
    if (Object.hasOwn(methods, key)) return Reflect.get(methods, key);
    // Species of the copies above: a plain array.
    if (key === "constructor") return undefined;
    if (key in Array.prototype) return Reflect.get(Array.prototype, key);
    throw new ReadOutside(`word ${String(key)} was read`);
  },
});
