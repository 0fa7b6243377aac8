/**
 * Finds calls in the text of an answer as it comes.
 *
 * @module
 */

import { CALL_END, CALL_START } from "./structured.ts";

/** A piece of an answer that may hold calls. */
export type CallPiece =
  | { type: "content"; text: string }
  /** A call begins. */
  | { type: "call"; callIndex: number; id: string; name: string }
  /** More of its arguments, JSON text. */
  | { type: "arguments"; callIndex: number; text: string };

const BEGIN = /^<tool_call>\n\{"name": ("[^"]*"), "arguments": /;

/** How many last characters of `text` may be the beginning of `wanted`. */
function overlap(text: string, wanted: string): number {
  for (let length = Math.min(text.length, wanted.length - 1); length > 0; length--) {
    if (text.endsWith(wanted.slice(0, length))) return length;
  }
  return 0;
}

/** Reads text piece by piece; what may belong to a mark is held until it is clear. */
export class ToolCallReader {
  #held = "";
  #isInCall = false;
  /** Calls that have begun. */
  callCount = 0;

  push(text: string): CallPiece[] {
    this.#held += text;
    const pieces: CallPiece[] = [];
    while (this.#advance(pieces));
    return pieces;
  }

  /** What is left when the answer ends. */
  flush(): CallPiece[] {
    const text = this.#held;
    this.#held = "";
    return this.#isInCall ? this.#arguments(text) : this.#content(text);
  }

  /** Takes one step; whether there may be another. */
  #advance(pieces: CallPiece[]): boolean {
    const mark = this.#isInCall ? CALL_END : CALL_START;
    const at = this.#held.indexOf(mark);
    const end = at >= 0 ? at : this.#held.length - overlap(this.#held, mark);
    const text = this.#held.slice(0, end);
    this.#held = this.#held.slice(end);
    pieces.push(...(this.#isInCall ? this.#arguments(text) : this.#content(text)));
    if (at < 0) return false;
    if (this.#isInCall) {
      this.#isInCall = false;
      this.#held = this.#held.slice(CALL_END.length);
      return true;
    }
    const begin = BEGIN.exec(this.#held);
    if (begin === null) return false;
    this.#held = this.#held.slice(begin[0].length);
    this.#isInCall = true;
    const id = `call_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`;
    pieces.push({ type: "call", callIndex: this.callCount++, id, name: JSON.parse(begin[1]) });
    return true;
  }

  #arguments(text: string): CallPiece[] {
    return text === "" ? [] : [{ type: "arguments", callIndex: this.callCount - 1, text }];
  }

  /** Between calls there is only space. */
  #content(text: string): CallPiece[] {
    const isSpace = this.callCount > 0 && text.trim() === "";
    return text === "" || isSpace ? [] : [{ type: "content", text }];
  }
}
