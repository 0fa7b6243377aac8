/**
 * A long array of texts in a header, such as a vocabulary or its merges, as the bytes of the file:
 * who needs no text of it does not wait for half a million of them.
 *
 * @module
 */

/** Longer texts are decoded by the platform, which takes longer to begin. */
const OWN_SIZE_BYTES_MAX = 64;

/** Texts in UTF-8, each behind its length in bytes. */
export class TextList {
  /** How many there are. */
  readonly length: number;
  readonly #bytes: Uint8Array;
  readonly #countSizeBytes: 4 | 8;
  #texts: readonly string[] | null = null;

  /**
   * @param bytes Of all texts and their lengths; these are right.
   * @param countSizeBytes Bytes of a length.
   */
  constructor(
    bytes: Uint8Array,
    { length, countSizeBytes }: { length: number; countSizeBytes: 4 | 8 },
  ) {
    this.length = length;
    this.#bytes = bytes;
    this.#countSizeBytes = countSizeBytes;
  }

  /** The list of `texts`. */
  static of(texts: readonly string[]): TextList {
    const parts = texts.map((text) => new TextEncoder().encode(text));
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 0));
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (const part of parts) {
      view.setUint32(at, part.length, true);
      bytes.set(part, at + 4);
      at += 4 + part.length;
    }
    return new TextList(bytes, { length: texts.length, countSizeBytes: 4 });
  }

  /** All of them; made when they are first asked for. What is no UTF-8 becomes U+FFFD. */
  texts(): readonly string[] {
    if (this.#texts !== null) return this.#texts;
    const texts = new Array<string>(this.length);
    let index = 0;
    this.eachRange((bytes, begin, end) => texts[index++] = decode(bytes, begin, end));
    return this.#texts = texts;
  }

  /** Calls `each` with the bytes of every text: `[begin, end)` of `bytes`, which all share. */
  eachRange(each: (bytes: Uint8Array, begin: number, end: number) => void): void {
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
    let at = 0;
    for (let index = 0; index < this.length; index++) {
      const begin = at + this.#countSizeBytes;
      at = begin + view.getUint32(at, true); // no header has 4 GiB
      each(this.#bytes, begin, at);
    }
  }
}

// A byte order mark is text: vocabularies have tokens that begin with one.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

function decode(bytes: Uint8Array, begin: number, end: number): string {
  let text = "";
  for (let at = begin; at < end;) {
    const size = end - begin > OWN_SIZE_BYTES_MAX ? 0 : sizeOf(bytes, at, end);
    if (size === 0) return utf8.decode(bytes.subarray(begin, end));
    const first = bytes[at];
    const unit = size === 1
      ? first
      : size === 2
      ? (first & 31) << 6 | bytes[at + 1] & 63
      : (first & 15) << 12 | (bytes[at + 1] & 63) << 6 | bytes[at + 2] & 63;
    text += String.fromCharCode(unit);
    at += size;
  }
  return text;
}

/** Bytes of the code point at `at`, 1 to 3; 0 if it takes four or may be none. */
function sizeOf(bytes: Uint8Array, at: number, end: number): 0 | 1 | 2 | 3 {
  const first = bytes[at];
  if (first < 0x80) return 1;
  const isNext = (place: number) => place < end && (bytes[place] & 0xc0) === 0x80;
  if (first >= 0xc2 && first < 0xe0) return isNext(at + 1) ? 2 : 0;
  // 0xe0 and 0xed begin code points of which some are too short, or surrogates.
  const isPlain = first > 0xe0 && first < 0xf0 && first !== 0xed;
  return isPlain && isNext(at + 1) && isNext(at + 2) ? 3 : 0;
}
