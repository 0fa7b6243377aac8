/**
 * Finds calls in the text of an answer as it comes. How the text is cut into pieces does not
 * matter.
 *
 * @module
 */

import { CALL_END, CALL_START, callBegin } from "./structured.ts";

/** A piece of an answer that may hold calls. */
export type CallPiece =
  | { type: "content"; text: string }
  /** A call begins. */
  | { type: "call"; callIndex: number; id: string; name: string }
  /** More of its arguments, JSON text. */
  | { type: "arguments"; callIndex: number; text: string }
  /** Text that is no part of the answer: marks around calls, space behind them. */
  | { type: "markup"; text: string };

const [HEAD_BEGIN, HEAD_END] = callBegin("?").split("?");
const HEAD = new RegExp(`^${RegExp.escape(HEAD_BEGIN)}([\\w.-]+)${RegExp.escape(HEAD_END)}`);

/** Whether `text` begins like the head of a call and may become one. */
function mayBecomeHead(text: string): boolean {
  if (text.length <= HEAD_BEGIN.length) return HEAD_BEGIN.startsWith(text);
  if (!text.startsWith(HEAD_BEGIN)) return false;
  return HEAD_END.startsWith(text.slice(HEAD_BEGIN.length).replace(/^[\w.-]+/, ""));
}

/** How many last characters of `text` may be the beginning of `wanted`. */
function overlap(text: string, wanted: string): number {
  for (let length = Math.min(text.length, wanted.length - 1); length > 0; length--) {
    if (text.endsWith(wanted.slice(0, length))) return length;
  }
  return 0;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const isNotEmpty = (piece: CallPiece) => piece.type === "call" || piece.text !== "";

/** Reads text piece by piece; what may belong to a mark is held until it is clear. */
export class ToolCallReader {
  #held = "";
  /** Arguments given out of the call that is open; null outside of calls. */
  #arguments: string | null = null;
  #callCount = 0;
  /** Whether nothing but space came since the last call. */
  #isBehindCall = false;

  push(text: string): CallPiece[] {
    this.#held += text;
    const pieces: CallPiece[] = [];
    while (this.#arguments === null ? this.#readContent(pieces) : this.#readArguments(pieces));
    return pieces.filter(isNotEmpty);
  }

  /**
   * What is left when the answer ends. The head of a call that did not become one is markup; where
   * the model itself ended, what only looks like the beginning of a head is content.
   *
   * @param isCut Whether the answer ends by a limit.
   */
  flush(isCut: boolean): CallPiece[] {
    const text = this.#held;
    this.#held = "";
    if (text === "") return [];
    if (this.#arguments !== null) {
      // A brace may close the arguments or be the first of the mark behind them.
      if (isJson(this.#arguments)) return [{ type: "markup", text }];
      return [{ type: "arguments", callIndex: this.#callCount - 1, text }];
    }
    const isHead = isCut || text.startsWith(CALL_START);
    return isHead ? [{ type: "markup", text }] : this.#content(text).filter(isNotEmpty);
  }

  /** Takes a step outside of a call; whether there may be another. */
  #readContent(pieces: CallPiece[]): boolean {
    const at = this.#headIndex();
    pieces.push(...this.#content(this.#take(at)));
    const head = HEAD.exec(this.#held);
    if (head === null) return false;
    pieces.push({ type: "markup", text: this.#take(head[0].length) });
    const id = `call_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`;
    pieces.push({ type: "call", callIndex: this.#callCount++, id, name: head[1] });
    this.#arguments = "";
    return true;
  }

  /** The same within the arguments of one. */
  #readArguments(pieces: CallPiece[]): boolean {
    const at = this.#held.indexOf(CALL_END);
    const text = this.#take(at >= 0 ? at : this.#held.length - overlap(this.#held, CALL_END));
    pieces.push({ type: "arguments", callIndex: this.#callCount - 1, text });
    this.#arguments += text;
    if (at < 0) return false;
    pieces.push({ type: "markup", text: this.#take(CALL_END.length) });
    this.#arguments = null;
    this.#isBehindCall = true;
    return true;
  }

  /** Where in the held text a head begins, or may begin. */
  #headIndex(): number {
    const { length } = this.#held;
    for (let at = this.#held.indexOf("<"); at >= 0; at = this.#held.indexOf("<", at + 1)) {
      const text = this.#held.slice(at);
      if (HEAD.test(text) || mayBecomeHead(text)) return at;
    }
    return length;
  }

  #take(length: number): string {
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return text;
  }

  #content(text: string): CallPiece[] {
    const content = this.#isBehindCall ? text.trimStart() : text;
    if (content !== "") this.#isBehindCall = false;
    const space = text.slice(0, text.length - content.length);
    return [{ type: "markup", text: space }, { type: "content", text: content }];
  }
}
