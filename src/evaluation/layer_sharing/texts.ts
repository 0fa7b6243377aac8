/** The texts on which layers that share are tried. */

import { CALIBRATION_TEXT } from "../../calibration/text.ts";
import type { LoadedModel } from "../../runtime/load_model.ts";
import { createTokenizer } from "../../tokenizer/tokenizer.ts";
import { withBos } from "../../tokenizer/with_bos.ts";

/** Pieces of a text that are read each by itself, and tokens of each: the published numbers. */
const PIECE_COUNT = 30;
const PIECE_TOKEN_COUNT = 64;
/** Tokens that are read in a row, to compare what the model says next. */
const RUN_TOKEN_COUNT = 193;

/** Tokens to try layers on. */
export interface SharingTexts {
  /** All of one length, so that keys of all can be averaged. */
  pieces: readonly (readonly number[])[];
  /** Read in a row. */
  runIds: readonly number[];
}

/**
 * Cuts a text.
 *
 * @throws {RangeError} If it is too short for one piece and a run.
 */
export function sharingTexts(
  { file }: LoadedModel,
  text: string = CALIBRATION_TEXT,
): SharingTexts {
  const tokenizer = createTokenizer(file.metadata, file.tensors);
  const ids = tokenizer.tokenize(text, { parseSpecial: false });
  const bosCount = withBos(tokenizer, []).length;
  const length = PIECE_TOKEN_COUNT - bosCount;
  const count = Math.min(PIECE_COUNT, Math.floor(ids.length / length));
  if (bosCount + ids.length < RUN_TOKEN_COUNT) {
    const least = RUN_TOKEN_COUNT - bosCount;
    throw new RangeError(`Cannot use a text of ${ids.length} tokens: wanted ${least}`);
  }
  const pieces = Array.from(
    { length: count },
    (_, index) => withBos(tokenizer, ids.slice(index * length, (index + 1) * length)),
  );
  return { pieces, runIds: withBos(tokenizer, ids).slice(0, RUN_TOKEN_COUNT) };
}
