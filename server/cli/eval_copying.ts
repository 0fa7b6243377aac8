/**
 * `packkv eval --copying`.
 *
 * @module
 */

import { type CopyingReport, evaluateCopying } from "../../src/evaluation/copying/copying.ts";
import type { EvalCodec } from "../../src/evaluation/codecs.ts";
import type { LoadedModel } from "../../src/runtime/load_model.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import type { Flags } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

const DISTANCE_DEFAULT = 1024;
const PIECE_COUNT_DEFAULT = 4;
const SEED_DEFAULT = 1;

/** What is asked of the copying test. */
export interface CopyingRequest {
  /** Tokens between a piece and its copy. */
  distance: number;
  /** Pieces of each kind. */
  pieceCount: number;
  seed: number;
}

/**
 * Reads the flags of the copying test; null if it is not asked for.
 *
 * @throws {UsageError} If a flag of it is given without it, or one of another test with it.
 */
export function readCopying(flags: Flags): CopyingRequest | null {
  const isAsked = flags.has("copying");
  const others = ["contexts", "from", "every", "retrieval", "cases", "documents", "form"];
  for (const name of isAsked ? others : ["pieces"]) {
    if (!flags.has(name)) continue;
    throw new UsageError(`Cannot use --${name} ${isAsked ? "with" : "without"} --copying`);
  }
  if (!isAsked) return null;
  if (flags.text("text")?.includes(",")) {
    throw new UsageError("Cannot use several texts with --copying");
  }
  const count = { min: 1, max: 2 ** 20, isInteger: true };
  return {
    distance: flags.number("tokens", count) ?? DISTANCE_DEFAULT,
    pieceCount: flags.number("pieces", count) ?? PIECE_COUNT_DEFAULT,
    seed: flags.number("seed", { ...count, min: 0, max: 2 ** 24 }) ?? SEED_DEFAULT,
  };
}

/** Has every codec copy pieces over the text. */
export async function runCopying(
  model: LoadedModel,
  run: {
    copying: CopyingRequest;
    text: { name: string; text: string };
    codecs: readonly EvalCodec[];
    options: { stateFolder?: string; onProgress?: (message: string, share: number) => void };
  },
): Promise<CopyingReport[]> {
  const { copying, text, codecs, options } = run;
  const tokenizer = createTokenizer(model.file.metadata, model.file.tensors);
  return await evaluateCopying(model, { ...copying, filler: text, codecs, tokenizer }, options);
}
