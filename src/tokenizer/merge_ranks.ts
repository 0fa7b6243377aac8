/**
 * The places of pairs in a list of merges, found by their bytes: a vocabulary has half a million
 * pairs, of which no text is made.
 *
 * @module
 */

import type { TextList } from "../gguf/text_list.ts";

const HASH_START = 0x811c9dc5; // FNV-1a, 32 bits
const HASH_FACTOR = 0x01000193;
const SPACE = 0x20;

/** A table of all pairs; of equal ones the last counts. */
export class MergeRanks {
  #bytes: Uint8Array = new Uint8Array(0);
  /** Places of the pairs' bytes. */
  readonly #begins: Uint32Array;
  readonly #ends: Uint32Array;
  /** 1 + the rank of a pair at its hash, or behind it; 0 where there is none. */
  readonly #table: Int32Array;
  readonly #utf8 = new TextEncoder();
  #wanted = new Uint8Array(256);

  /** @param merges Pairs of tokens, separated by a space, in the order they are merged. */
  constructor(merges: TextList) {
    this.#begins = new Uint32Array(merges.length);
    this.#ends = new Uint32Array(merges.length);
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(2 * merges.length + 1)));
    let rank = 0;
    merges.eachRange((bytes, begin, end) => {
      this.#bytes = bytes;
      this.#table[this.#placeOf(bytes, begin, end)] = rank + 1;
      this.#begins[rank] = begin;
      this.#ends[rank] = end;
      rank++;
    });
  }

  /** When `left` and `right` are merged; undefined if they are not. */
  rankOf(left: string, right: string): number | undefined {
    const sizeBytesMax = 3 * (left.length + right.length) + 1;
    if (sizeBytesMax > this.#wanted.length) this.#wanted = new Uint8Array(2 * sizeBytesMax);
    const wanted = this.#wanted;
    let end = this.#encode(left, 0);
    wanted[end++] = SPACE;
    end = this.#encode(right, end);
    const found = this.#table[this.#placeOf(wanted, 0, end)];
    return found === 0 ? undefined : found - 1;
  }

  /** Writes a text from byte `at` on; where it ends. */
  #encode(text: string, at: number): number {
    const wanted = this.#wanted;
    let end = at;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit < 0x80) {
        wanted[end++] = unit;
      } else if (unit < 0x800) {
        wanted[end++] = 0xc0 | unit >> 6;
        wanted[end++] = 0x80 | unit & 63;
      } else if (unit >= 0xd800 && unit < 0xe000) {
        return at + this.#utf8.encodeInto(text, wanted.subarray(at)).written;
      } else {
        wanted[end++] = 0xe0 | unit >> 12;
        wanted[end++] = 0x80 | unit >> 6 & 63;
        wanted[end++] = 0x80 | unit & 63;
      }
    }
    return end;
  }

  /** Where in the table the pair of these bytes stands, or would. */
  #placeOf(bytes: Uint8Array, begin: number, end: number): number {
    let hash = HASH_START;
    for (let at = begin; at < end; at++) hash = Math.imul(hash ^ bytes[at], HASH_FACTOR);
    const last = this.#table.length - 1;
    let place = (hash ^ hash >>> 15) & last;
    while (this.#table[place] !== 0 && !this.#isAt(place, bytes, begin, end)) {
      place = (place + 1) & last;
    }
    return place;
  }

  #isAt(place: number, bytes: Uint8Array, begin: number, end: number): boolean {
    const rank = this.#table[place] - 1;
    const start = this.#begins[rank];
    if (this.#ends[rank] - start !== end - begin) return false;
    for (let at = begin; at < end; at++) {
      if (this.#bytes[start + at - begin] !== bytes[at]) return false;
    }
    return true;
  }
}
