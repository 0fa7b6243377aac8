/**
 * Answers of POST /v1/responses that are kept for later requests, in bounded memory: the ones that
 * were used last.
 *
 * @module
 */

import { ApiError } from "../errors.ts";
import type { Message } from "../past_messages.ts";

/** Most answers, and characters of all of them with their conversations. */
const COUNT_MAX = 1000;
const LENGTH_MAX = 32 * 2 ** 20;

/** An answer and what came before it. */
export interface KeptResponse {
  /** As it was answered. */
  answer: { id: string };
  /** The conversation up to and with it, without instructions. */
  messages: readonly Message[];
}

/** Keeps answers by their ids. */
export class KeptResponses {
  /** In the order of their last use. */
  readonly #kept = new Map<string, KeptResponse & { length: number }>();
  readonly #lengthMax: number;
  #length = 0;

  constructor(lengthMax = LENGTH_MAX) {
    this.#lengthMax = lengthMax;
  }

  /** Keeps one; others go for it. One that is too large by itself is not kept. */
  keep(response: KeptResponse): void {
    const length = JSON.stringify(response).length;
    if (length > this.#lengthMax) return;
    this.delete(response.answer.id);
    this.#kept.set(response.answer.id, { ...response, length });
    this.#length += length;
    for (const id of this.#kept.keys()) {
      if (this.#kept.size <= COUNT_MAX && this.#length <= this.#lengthMax) break;
      this.delete(id);
    }
  }

  /**
   * The answer of an id.
   *
   * @throws {ApiError} 404 if it is not kept, 400 if `param` names a field that it came in.
   */
  get(id: string, param: string | null = null): KeptResponse {
    const found = this.#kept.get(id);
    if (found === undefined) {
      const message = `Cannot find the response ${JSON.stringify(id)}: it was not stored, or has ` +
        "gone for newer ones";
      const code = "previous_response_not_found";
      throw param === null
        ? new ApiError(404, message, { code: "not_found" })
        : new ApiError(400, message, { param, code });
    }
    this.#kept.delete(id);
    this.#kept.set(id, found);
    return found;
  }

  /** Whether there was one. */
  delete(id: string): boolean {
    this.#length -= this.#kept.get(id)?.length ?? 0;
    return this.#kept.delete(id);
  }
}
