/** The default model with what its calibrated profiles need, and a prompt of any length. */

import type { Calibration } from "../../src/calibration/calibration.ts";
import { findCalibration } from "../../src/calibration/store.ts";
import { CALIBRATION_TEXT } from "../../src/calibration/text.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { calibrationOwner } from "../../src/runtime/fingerprint.ts";
import { type LoadedModel, loadModel } from "../../src/runtime/load_model.ts";
import { loadTokenizer } from "../../mod.ts";
import { defaultModelPath } from "../../tests/support/default_model.ts";

/**
 * Loads it, with the calibration that is kept of it; the prompt is the calibration's text, over and
 * over.
 */
export async function loadCalibratedModel(
  tokenCount: number,
): Promise<{ model: LoadedModel; calibration: Calibration | null; promptIds: number[] }> {
  const modelPath = defaultModelPath();
  const file = await readGguf(modelPath);
  const model = await loadModel(file, () => {});
  const calibration = await findCalibration(calibrationOwner({ file, shape: model.shape }));
  const tokenizer = await loadTokenizer(modelPath);
  const ids = Array.from(tokenizer.tokenize(CALIBRATION_TEXT, { parseSpecial: false }));
  while (ids.length < tokenCount) ids.push(...ids);
  return { model, calibration, promptIds: ids.slice(0, tokenCount) };
}
