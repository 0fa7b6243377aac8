/**
 * An answer in the terminal: text to stdout as it comes, all else to stderr.
 *
 * @module
 */

import type { GenerateEvent, GenerateRequest } from "../../mod.ts";
import { StreamDetokenizer } from "../../src/tokenizer/stream_detokenizer.ts";
import { ProgressLine } from "../setup/progress.ts";
import type { ServedModel } from "../state.ts";
import { writeStdout } from "./stdout.ts";

/** The last event of a generation. */
export type FinishEvent = Extract<GenerateEvent, { type: "finish" }>;

/** How an answer ended. */
export interface PrintedAnswer {
  /** What was printed, without the line feed after it. */
  text: string;
  /** Null if it was stopped before its end. */
  finish: FinishEvent | null;
}

/**
 * Generates and prints; a long prompt shows how far it is read.
 *
 * @returns Also what had come when `request.signal` was aborted: that is no error here.
 * @throws {EngineError} What else ends a generation.
 */
export async function printAnswer(
  { engine, tokenizer }: ServedModel,
  request: GenerateRequest,
): Promise<PrintedAnswer> {
  const detokenizer = new StreamDetokenizer(tokenizer);
  const progress = new ProgressLine();
  const answer: PrintedAnswer = { text: "", finish: null };
  const print = (text: string) => {
    answer.text += text;
    printText(text);
  };
  try {
    for await (const event of engine.generate(request)) {
      if (event.type === "prefill") {
        const { processedTokenCount: done, promptTokenCount: all } = event;
        if (done < all) progress.update(`reading ${done} of ${all} tokens`, done / all);
      } else if (event.type === "token") {
        progress.finish();
        print(detokenizer.push(event.id));
      } else if (event.type === "finish") {
        print(detokenizer.flush());
        answer.finish = event;
      }
    }
  } catch (error) {
    if (!request.signal?.aborted) throw error;
  } finally {
    progress.finish();
  }
  return answer;
}

/** Counts and speeds of an answer, in one line. */
export function describeFinish(event: FinishEvent): string {
  const { promptTokenCount, cachedTokenCount, completionTokenCount, timings, reason } = event;
  const perSecond = (count: number, ms: number) => (count * 1000 / Math.max(ms, 1)).toFixed(1);
  const cached = cachedTokenCount > 0 ? `, ${cachedTokenCount} of them cached` : "";
  const read = perSecond(promptTokenCount - cachedTokenCount, timings.prefillMs);
  const written = perSecond(completionTokenCount, timings.decodeMs);
  return `prompt ${promptTokenCount} tokens${cached} (${read}/s), ` +
    `answer ${completionTokenCount} tokens (${written}/s)` +
    (reason === "length" ? ", cut at its length" : "");
}

/**
 * Writes all of `text` to stdout at once.
 *
 * @throws {StdoutClosed} If its reader has closed it.
 */
export function printText(text: string): void {
  writeStdout(new TextEncoder().encode(text));
}
