import { EngineError } from "../core/errors.ts";
import {
  SHARED_HEADER_WORDS,
  SHARED_IS_LOST,
  SHARED_MASK_COUNT,
  SHARED_MASK_COUNT_MAX,
  type ToGrammarSession,
} from "./types.ts";

/** Longest wait for a mask; one takes well under a millisecond. */
const MASK_TIMEOUT_MS = 10_000;

/** What a grammar allows next, from the worker that follows it. Lives in the GPU worker. */
export class TokenMask {
  readonly #port: MessagePort;
  readonly #words: Int32Array;
  /** Times that masks are to be made by now: at first, and after each message. */
  #wantedCount = 1;
  /** Tokens that came and were not sent. */
  #ids: number[] = [];

  constructor(port: MessagePort, shared: SharedArrayBuffer) {
    this.#port = port;
    this.#words = new Int32Array(shared);
  }

  /** Takes note of a token, which {@link send} sends. */
  accept(id: number): void {
    this.#ids.push(id);
  }

  /** Sends the tokens that came; the worker then makes the mask that follows them. */
  send(): void {
    if (this.#ids.length > 0) this.#post([]);
  }

  /**
   * Waits for the mask of what may come next, then those of what may follow each guess, all u32
   * `[ceil(vocabSize / 32)]`. What is behind a guess that is not allowed says nothing.
   *
   * @param draftIds At most `DRAFT_COUNT_MAX`.
   * @throws {EngineError} `invalid_request` if the worker has lost its way.
   */
  wait(draftIds: readonly number[] = []): Uint32Array[] {
    if (draftIds.length > 0) this.#post(draftIds);
    this.send();
    const words = this.#words;
    while (true) {
      const count = Atomics.load(words, SHARED_MASK_COUNT);
      if (count >= this.#wantedCount) break;
      const state = Atomics.wait(words, SHARED_MASK_COUNT, count, MASK_TIMEOUT_MS);
      if (state === "timed-out") throw failure("no mask came");
    }
    if (Atomics.load(words, SHARED_IS_LOST) !== 0) throw failure("a token was not allowed by it");
    const wordCount = (words.length - SHARED_HEADER_WORDS) / SHARED_MASK_COUNT_MAX;
    const end = SHARED_HEADER_WORDS + (1 + draftIds.length) * wordCount;
    const masks = new Uint32Array(words.subarray(SHARED_HEADER_WORDS, end));
    return Array.from({ length: 1 + draftIds.length }, (_, index) => {
      return masks.subarray(index * wordCount, (index + 1) * wordCount);
    });
  }

  #post(draftIds: readonly number[]): void {
    this.#wantedCount++;
    const message: ToGrammarSession = { ids: this.#ids, draftIds };
    this.#port.postMessage(message);
    this.#ids = [];
  }
}

function failure(state: string): EngineError {
  const message = `Cannot follow the grammar: ${state}`;
  return new EngineError("invalid_request", message, { param: "grammar" });
}
