/**
 * What a generation yields: progress, text, calls, and its end.
 *
 * @module
 */

import type { FinishReason } from "../../../src/engine/types.ts";
import type { AnswerPiece, Assembled } from "../text_assembler.ts";
import type { AnswerToken } from "../logprob_alignment.ts";
import type { GenerationTimings } from "./observer.ts";

/** A call begins, or more of its arguments comes. */
export type ToolCallPiece = Exclude<AnswerPiece, { type: "content" }>;

/** What `generateText` yields; `finish` is last. */
export type GenerationPiece =
  | {
    type: "progress";
    /** Cached ones included. */
    processedTokenCount: number;
    promptTokenCount: number;
    cachedTokenCount: number;
    elapsedMs: number;
  }
  | {
    type: "text";
    text: string;
    /** The tokens it ends, if they are asked for. */
    tokens: readonly AnswerToken[];
    completionTokenCount: number;
  }
  | (ToolCallPiece & { completionTokenCount: number })
  | { type: "finish"; reason: FinishReason; timings: GenerationTimings };

/** Tokens go with the first piece of text, wherever in it they are. */
export function* toPieces(
  { pieces, tokens }: Assembled,
  completionTokenCount: number,
): Generator<GenerationPiece> {
  if (tokens.length > 0 && pieces[0]?.type !== "content") {
    yield { type: "text", text: "", tokens, completionTokenCount };
  }
  for (const [order, piece] of pieces.entries()) {
    if (piece.type !== "content") yield { ...piece, completionTokenCount };
    else {
      const own = order === 0 ? tokens : [];
      yield { type: "text", text: piece.text, tokens: own, completionTokenCount };
    }
  }
}
