/**
 * What a generation yields: progress, thoughts, text, calls, and its end.
 *
 * @module
 */

import type { FinishReason } from "../../../src/engine/types.ts";
import type { Part } from "../../reading/parts.ts";
import type { Assembled } from "../text_assembler.ts";
import type { AnswerToken } from "../logprob_alignment.ts";
import type { GenerationTimings } from "./observer.ts";

/** A call begins, or more of its arguments comes. */
export type ToolCallPiece = Extract<Part, { type: "call" | "arguments" }>;

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
  | {
    type: "reasoning";
    text: string;
    tokens: readonly AnswerToken[];
    completionTokenCount: number;
  }
  | (ToolCallPiece & { completionTokenCount: number })
  | {
    type: "finish";
    reason: FinishReason;
    /** The stop string that ended it. */
    stopString: string | null;
    timings: GenerationTimings;
  };

/** Tokens go with the first piece that is text, wherever in it they are. */
export function* toPieces(
  { pieces, tokens }: Assembled,
  completionTokenCount: number,
): Generator<GenerationPiece> {
  const first = pieces[0];
  const isText = first?.type === "content" || first?.type === "reasoning";
  if (tokens.length > 0 && !isText) {
    yield { type: "text", text: "", tokens, completionTokenCount };
  }
  for (const [order, piece] of pieces.entries()) {
    if (piece.type === "call" || piece.type === "arguments") {
      yield { ...piece, completionTokenCount };
      continue;
    }
    const type = piece.type === "content" ? "text" : "reasoning";
    yield { type, text: piece.text, tokens: order === 0 ? tokens : [], completionTokenCount };
  }
}
