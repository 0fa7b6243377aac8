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

/** Where in the tokens of an answer a piece stands. */
export interface PiecePlace {
  /** Tokens so far. */
  completionTokenCount: number;
  /** Tokens that it came with, if ids are asked for: those of all pieces are the answer's. */
  ids: readonly number[];
}

interface PlacedText extends PiecePlace {
  text: string;
  /** The tokens it ends, if log-probabilities are asked for. */
  tokens: readonly AnswerToken[];
}

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
  | ({ type: "text" } & PlacedText)
  | ({ type: "reasoning" } & PlacedText)
  | (PiecePlace & ToolCallPiece)
  | {
    type: "finish";
    reason: FinishReason;
    /** The end token, if there was one and ids are asked for. */
    ids: readonly number[];
    /** The stop string that ended it. */
    stopString: string | null;
    timings: GenerationTimings;
  };

/**
 * Tokens and ids go with the first piece that can have them, wherever in it they are; with one of
 * no text if there is none.
 */
export function* toPieces(
  { pieces, tokens }: Assembled,
  place: PiecePlace,
): Generator<GenerationPiece> {
  const first = pieces[0];
  const isText = first?.type === "content" || first?.type === "reasoning";
  const isApart = tokens.length > 0 ? !isText : place.ids.length > 0 && first === undefined;
  if (isApart) yield { type: "text", text: "", tokens, ...place };
  for (const [order, piece] of pieces.entries()) {
    const isFirst = order === 0 && !isApart;
    const own = isFirst ? place : { ...place, ids: [] };
    if (piece.type === "call" || piece.type === "arguments") {
      yield { ...piece, ...own };
      continue;
    }
    const type = piece.type === "content" ? "text" : "reasoning";
    yield { type, text: piece.text, tokens: isFirst ? tokens : [], ...own };
  }
}
