import type { Part } from "../reading/parts.ts";
import { canonicalCalls, canonicalText, hashOf } from "./canonical.ts";
import type { SampledTurn } from "./turn_memory.ts";

/** Takes an answer as it comes: its tokens, and what is read of them. */
export class TurnRecorder {
  readonly #keep: (turn: SampledTurn, callIds: readonly string[]) => void;
  readonly #ids: number[] = [];
  #text = "";
  #thoughts = "";
  readonly #calls = new Map<number, { id: string; name: string; arguments: string }>();

  /** @param keep Gets the whole answer, with the ids of its calls. */
  constructor(keep: (turn: SampledTurn, callIds: readonly string[]) => void) {
    this.#keep = keep;
  }

  /** Takes tokens. */
  push(ids: readonly number[]): void {
    for (const id of ids) this.#ids.push(id);
  }

  /** Takes pieces of what they say. */
  read(parts: readonly Part[]): void {
    for (const part of parts) {
      if (part.type === "content") this.#text += part.text;
      else if (part.type === "reasoning") this.#thoughts += part.text;
      else if (part.type === "call") {
        this.#calls.set(part.callIndex, { id: part.id, name: part.name, arguments: "" });
      } else this.#calls.get(part.callIndex)!.arguments += part.text;
    }
  }

  /** The answer is whole. */
  end(): void {
    if (this.#ids.length === 0) return;
    const calls = [...this.#calls.values()];
    const turn = {
      ids: this.#ids,
      text: hashOf(canonicalText(this.#text)),
      calls: hashOf(canonicalCalls(calls)),
      thoughts: this.#thoughts === "" ? null : hashOf(canonicalText(this.#thoughts)),
    };
    this.#keep(turn, calls.map(({ id }) => id));
  }
}
