/**
 * From the tokens of an answer to its pieces: text, cut at the first stop string, and calls.
 *
 * @module
 */

import type { TokenLogprobs } from "../../src/engine/types.ts";
import { StopMatcher } from "../../src/tokenizer/stop_strings.ts";
import { StreamDetokenizer } from "../../src/tokenizer/stream_detokenizer.ts";
import type { Tokenizer } from "../../src/tokenizer/types.ts";
import { type AnswerToken, LogprobAligner } from "./logprob_alignment.ts";
import { type CallPiece, ToolCallReader } from "./tool_calls.ts";

/** A piece of an answer. */
export type AnswerPiece = Exclude<CallPiece, { type: "markup" }>;

/** How an answer is read. */
export interface TextOptions {
  /** Strings that end the answer; they are looked for in its text, not in calls. */
  stop: readonly string[];
  /** Whether the text ends with the stop string that was found, not before it. */
  includesStop: boolean;
  /** Whether control tokens are text, as they are written; otherwise they give none. */
  showControl: boolean;
  /** Whether calls are looked for. */
  readsCalls: boolean;
}

/** What {@link TextAssembler} returns at a time. */
export interface Assembled {
  pieces: readonly AnswerPiece[];
  /** Tokens whose text is in these pieces or dropped with them. */
  tokens: readonly AnswerToken[];
  /** Whether a stop string was found: these pieces are the last. */
  stopped: boolean;
}

/** Reads one answer. */
export class TextAssembler {
  readonly #detokenizer: StreamDetokenizer;
  readonly #reader: ToolCallReader | null;
  readonly #matcher: StopMatcher;
  readonly #aligner: LogprobAligner;

  constructor(
    tokenizer: Tokenizer,
    { stop, includesStop, showControl, readsCalls }: TextOptions,
  ) {
    this.#detokenizer = new StreamDetokenizer(tokenizer, { showControl });
    this.#reader = readsCalls ? new ToolCallReader() : null;
    this.#matcher = new StopMatcher(stop, { includesStop });
    this.#aligner = new LogprobAligner(tokenizer, { showControl });
  }

  /** Takes the next token. */
  push(id: number, logprobs: TokenLogprobs | undefined): Assembled {
    const text = this.#detokenizer.push(id);
    if (logprobs) this.#aligner.push(logprobs, text);
    return this.#give(this.#read(text), false);
  }

  /**
   * What was held back, when no more tokens come.
   *
   * @param isCut Whether the answer ends by a limit.
   */
  flush(isCut: boolean): Assembled {
    const text = this.#detokenizer.flush();
    this.#aligner.extend(text);
    return this.#give([...this.#read(text), ...this.#reader?.flush(isCut) ?? []], true);
  }

  #read(text: string): CallPiece[] {
    return this.#reader?.push(text) ?? [{ type: "content", text }];
  }

  #give(read: readonly CallPiece[], isLast: boolean): Assembled {
    const pieces: AnswerPiece[] = [];
    let length = 0;
    let stopped = false;
    const say = (text: string) => {
      length += text.length;
      if (text !== "") pieces.push({ type: "content", text });
    };
    for (const piece of read) {
      if (piece.type === "content") {
        const found = this.#matcher.push(piece.text);
        say(found.text);
        stopped = found.stopped;
        if (stopped) break;
        continue;
      }
      // No stop string reaches across a call.
      say(this.#matcher.flush());
      if (piece.type !== "call") length += piece.text.length;
      if (piece.type !== "markup") pieces.push(piece);
    }
    if (isLast && !stopped) say(this.#matcher.flush());
    const tokens = length === 0 && !isLast ? [] : this.#aligner.take(length);
    return { pieces, stopped, tokens: stopped ? [...tokens, ...this.#aligner.cut()] : tokens };
  }
}
