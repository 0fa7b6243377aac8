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
  const guarded = Array.from(words);
  Object.setPrototypeOf(guarded, GUARD);
  return guarded as unknown as Uint32Array;
}

const METHODS = {
  subarray(this: number[], start: number, end?: number): Uint32Array {
    return guardedWords(Array.prototype.slice.call(this, start, end));
  },
  slice(this: number[], start?: number, end?: number): Uint32Array {
    return Uint32Array.from(Array.prototype.slice.call(this, start, end));
  },
};

const GUARD: object = new Proxy(METHODS, {
  get(methods, key) {
    if (Object.hasOwn(methods, key)) return Reflect.get(methods, key);
    // Species of the copies above: a plain array.
    if (key === "constructor") return undefined;
    if (key in Array.prototype) return Reflect.get(Array.prototype, key);
    throw new ReadOutside(`word ${String(key)} was read`);
  },
});
