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
import { AnswerReader, marksOf, type ReadingPlan } from "../reading/answer_reader.ts";
import type { Part, SizedPart } from "../reading/parts.ts";

/** How an answer is read. */
export interface TextOptions {
  /** Strings that end the answer; they are looked for in its text, not in calls. */
  stop: readonly string[];
  /** Whether the text ends with the stop string that was found, not before it. */
  includesStop: boolean;
  /** Whether control tokens are text, as they are written; otherwise they give none. */
  showControl: boolean;
  /** How thoughts and calls are found; null: all is text. */
  reading: ReadingPlan | null;
}

/** What {@link TextAssembler} returns at a time. */
export interface Assembled {
  pieces: readonly Part[];
  /** Tokens whose text is in these pieces or dropped with them. */
  tokens: readonly AnswerToken[];
  /** Whether a stop string was found: these pieces are the last. */
  stopped: boolean;
  /** That string. */
  stopString: string | null;
}

/** A control token as JSON has it: so do {@link marksOf}. */
function nameOf(tokenizer: Tokenizer, id: number): string {
  return JSON.stringify(tokenizer.detokenize([id])).slice(1, -1);
}

/** Reads one answer. */
export class TextAssembler {
  readonly #tokenizer: Tokenizer;
  readonly #detokenizer: StreamDetokenizer;
  readonly #reader: AnswerReader | null;
  readonly #showControl: boolean;
  /** All marks that are read, in one text. */
  readonly #marks: string;
  readonly #matcher: StopMatcher;
  readonly #aligner: LogprobAligner;

  constructor(
    tokenizer: Tokenizer,
    { stop, includesStop, showControl, reading }: TextOptions,
  ) {
    this.#tokenizer = tokenizer;
    this.#detokenizer = new StreamDetokenizer(tokenizer, { showControl: true });
    this.#showControl = showControl;
    this.#marks = reading === null ? "" : marksOf(reading);
    this.#reader = reading && new AnswerReader(reading);
    this.#matcher = new StopMatcher(stop, { includesStop });
    this.#aligner = new LogprobAligner(tokenizer, { isText: (id) => this.#isText(id) });
  }

  /** Whether the last token, or the next, belongs to thoughts. */
  get isReasoning(): boolean {
    return this.#reader?.isReasoning ?? false;
  }

  /** Control tokens are text if they are asked for, or if they are marks of this model's. */
  #isText(id: number): boolean {
    if (this.#showControl || !this.#tokenizer.isControl(id)) return true;
    return this.#marks !== "" && this.#marks.includes(nameOf(this.#tokenizer, id));
  }

  /** Takes the next token. */
  push(id: number, logprobs: TokenLogprobs | undefined): Assembled {
    const text = this.#isText(id) ? this.#detokenizer.push(id) : "";
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

  #read(text: string): SizedPart[] {
    return this.#reader?.push(text) ?? [{ type: "content", text, length: text.length }];
  }

  #give(read: readonly SizedPart[], isLast: boolean): Assembled {
    const pieces: Part[] = [];
    let length = 0;
    let stopped = false;
    const say = (text: string) => {
      length += text.length;
      if (text !== "") pieces.push({ type: "content", text });
    };
    for (const { length: size, ...piece } of read) {
      if (piece.type === "content") {
        const found = this.#matcher.push(piece.text);
        say(found.text);
        stopped = found.stopped;
        if (stopped) break;
        continue;
      }
      // No stop string reaches across a call.
      say(this.#matcher.flush());
      length += size;
      if (piece.type !== "markup") pieces.push(piece);
    }
    if (isLast && !stopped) say(this.#matcher.flush());
    const tokens = length === 0 && !isLast ? [] : this.#aligner.take(length);
    const stopString = this.#matcher.found;
    return {
      pieces,
      stopped,
      stopString,
      tokens: stopped ? [...tokens, ...this.#aligner.cut()] : tokens,
    };
  }
}
