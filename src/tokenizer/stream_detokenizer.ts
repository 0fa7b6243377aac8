/**
 * Turns a stream of token ids into a stream of text.
 *
 * @module
 */

import type { Tokenizer } from "./types.ts";

/** What {@link StreamDetokenizer} shows. */
export interface StreamDetokenizerOptions {
  /** Whether control tokens appear as they are written; otherwise they give no text. */
  showControl?: boolean;
}

/**
 * Detokenizes id by id. The texts it returns make up the text of all ids, and each ends at a code
 * point: bytes of an incomplete one are held until it is complete. Bytes that
 * cannot become valid UTF-8 give U+FFFD.
 */
export class StreamDetokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #showControl: boolean;
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(tokenizer: Tokenizer, options: StreamDetokenizerOptions = {}) {
    this.#tokenizer = tokenizer;
    this.#showControl = options.showControl ?? false;
  }

  /**
   * Takes the next id.
   *
   * @returns Text that is complete now; may be empty.
   * @throws {RangeError} If the vocabulary does not have `id`.
   */
  push(id: number): string {
    const bytes = this.#tokenizer.tokenBytes(id);
    if (!this.#showControl && this.#tokenizer.isControl(id)) return "";
    return this.#utf8.decode(bytes, { stream: true });
  }

  /** Ends the text: an incomplete code point becomes U+FFFD. */
  flush(): string {
    return this.#utf8.decode();
  }
}
