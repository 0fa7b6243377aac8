/**
 * Events of POST /v1/responses as frames of a stream.
 *
 * @module
 */

import { toErrorAnswer } from "../errors.ts";
import type { Event, Item } from "./items.ts";

/** The events of one answer as numbered frames, also those of a failure. */
export class EventFrames {
  #count = 0;
  /** As the last event with it had it. */
  #response: { output: readonly Item[] } | null = null;

  #frame({ type, ...rest }: Event): string {
    const data = JSON.stringify({ type, sequence_number: this.#count++, ...rest });
    return `event: ${type}\ndata: ${data}\n\n`;
  }

  async *frames(events: AsyncGenerator<Event>): AsyncGenerator<string> {
    for await (const event of events) {
      if (event.response) this.#response = event.response;
      yield this.#frame(event);
    }
  }

  /** An `error` event, its fields plain and inside `error`, as clients read either. */
  errorFrames(error: unknown): string {
    const { error: reported } = toErrorAnswer(error).body;
    const { code, message, param } = reported;
    const frame = this.#frame({ type: "error", code, message, param, error: reported });
    if (this.#response === null) return frame;
    const output = this.#response.output.map((item) => {
      return item.status === "in_progress" ? { ...item, status: "incomplete" } : item;
    });
    const response = { ...this.#response, status: "failed", output, error: { code, message } };
    return frame + this.#frame({ type: "response.failed", response });
  }
}
