/**
 * Finds what a profile is calibrated by, on the main thread, where tokenizers live.
 *
 * @module
 */

import {
  type Calibration,
  parseCalibration,
  serialiseCalibration,
} from "../calibration/calibration.ts";
import { CALIBRATION_TEXT } from "../calibration/text.ts";
import {
  type CalibrationOwner,
  calibrationPath,
  findCalibration,
  keptPath,
  saveCalibration,
} from "../calibration/store.ts";
import { codecProfile, needsCalibration } from "../codec/profile.ts";
import type { CodecProfile } from "../codec/profile_types.ts";
import { seededRandom } from "../core/seeded_random.ts";
import type { GgufFile } from "../gguf/read_gguf.ts";
import { readModelPlan } from "../model/architectures/registry.ts";
import { checkedProfile } from "./cache_plan.ts";
import { createChatTemplate } from "../tokenizer/chat_template.ts";
import { VOCAB_SIZE_HERE_MAX, WorkerPromptReader } from "../tokenizer/prompt_reader.ts";
import { createTokenizer } from "../tokenizer/tokenizer.ts";
import { readVocabulary } from "../tokenizer/vocabulary.ts";
import { withBos } from "../tokenizer/with_bos.ts";
import { CALIBRATION_TOKEN_COUNT, measureCalibration } from "./calibration_run.ts";
import { calibrationOwner } from "./fingerprint.ts";
import { needsPromise, withPromise } from "./held_promise.ts";
import type { LoadedModel, OnProgress } from "./load_model.ts";
import type { CalibrationSource, ProfileOptions } from "./types.ts";

const RANDOM_SEED = 1;

/** Which model a calibration must belong to. */
export function fileOwner(file: GgufFile): CalibrationOwner {
  return calibrationOwner({ file, shape: readModelPlan(file).shape });
}

/**
 * Tokens to calibrate on: of a text in the model's vocabulary, as of a prompt; random ones if the
 * model has no texts.
 *
 * @param ownText In place of the one that comes with the program.
 * @throws {EngineError} `invalid_request` if there is one and the model has no texts.
 */
export function calibrationIds(file: GgufFile, ownText: string | null = null): number[] {
  const tokenizer = createTokenizer(file.metadata, file.tensors);
  if (ownText === null && !tokenizer.hasTexts) return randomIds(file);
  const ids = tokenizer.tokenize(ownText ?? CALIBRATION_TEXT, { parseSpecial: false });
  return withBos(tokenizer, ids);
}

/** Seeded ids, all as likely, as many as are measured on. */
function randomIds(file: GgufFile): number[] {
  const { vocabSize, contextLengthTrained } = readModelPlan(file).shape;
  const random = seededRandom(RANDOM_SEED);
  const length = Math.min(CALIBRATION_TOKEN_COUNT, contextLengthTrained);
  return Array.from({ length }, () => Math.floor(random() * vocabSize));
}

/** The same, by a worker if the vocabulary is large: the main thread serves others meanwhile. */
async function calibrationIdsAside(file: GgufFile): Promise<number[]> {
  const tokenizer = createTokenizer(file.metadata, file.tensors);
  const isSmall = tokenizer.vocabSize <= VOCAB_SIZE_HERE_MAX;
  if (isSmall || !tokenizer.hasTexts) return calibrationIds(file);
  const template = createChatTemplate(file.metadata, tokenizer);
  const reader = new WorkerPromptReader(file.path, tokenizer, template);
  try {
    return withBos(tokenizer, await reader.tokenize(CALIBRATION_TEXT, { parseSpecial: false }));
  } finally {
    reader.close();
  }
}

/**
 * The calibration kept for a model, and the tokens to measure what is missing on. Warns on the
 * console if these are random.
 *
 * @returns Null if the profile needs none.
 * @throws {EngineError} `model_file_invalid` if the one kept is damaged or another model's.
 */
export async function calibrationSource(
  file: GgufFile,
  profile: ProfileOptions,
): Promise<CalibrationSource | null> {
  const checked = checkedProfile(profile);
  if (!needsCalibration(checked)) return null;
  const kept = await findCalibration(fileOwner(file));
  if (readVocabulary(file.metadata, file.tensors).spelling === "none") {
    const reason = "the model has no texts to measure on";
    console.warn(`packkv: ${checked.name} is calibrated on random tokens: ${reason}`);
  }
  const isComplete = kept !== null && !needsPromise(checked, kept);
  const textIds = isComplete ? [] : await calibrationIdsAside(file);
  return { bytes: kept === null ? null : serialiseCalibration(kept), textIds };
}

/** Keeps a calibration that loading measured; returns its path. */
export async function keepCalibration(file: GgufFile, bytes: Uint8Array): Promise<string> {
  const owner = fileOwner(file);
  const measured = parseCalibration(bytes, { ...owner, path: "measured while loading" });
  return await saveCalibration(measured, await keptPath(owner.modelFingerprint));
}

/**
 * The calibration of a loaded model: the one kept, or else one measured now, and kept; with what a
 * profile needs to hold its promise.
 *
 * @throws {EngineError} `model_file_invalid` if the one kept is damaged or another model's.
 */
export async function loadCalibration(
  model: LoadedModel,
  profile: CodecProfile,
  onProgress: OnProgress,
): Promise<Calibration> {
  const kept = await findCalibration(calibrationOwner(model));
  if (kept !== null && !needsPromise(profile, kept)) return kept;
  const ids = calibrationIds(model.file);
  const calibration = kept ?? await measureCalibration(model, ids, onProgress);
  const measured = await withPromise(model, { calibration, profile, ids }, onProgress);
  if (measured === kept) return kept;
  await model.gpu.throwIfFailedByNow();
  try {
    const path = await saveCalibration(measured, await keptPath(measured.modelFingerprint));
    onProgress(`kept ${path}`, 1);
  } catch (error) {
    // What was measured is still used if the cache cannot be written.
    console.warn(`packkv: ${(error as Error).message}; it is measured at each start`);
  }
  return measured;
}

/** What `packkv calibrate` was asked for. */
export interface CalibrationRequest {
  /** Text to measure on; null for the built-in one. */
  text: string | null;
  /** Path of the file to write; null for where loading looks for it. */
  output: string | null;
}

/**
 * Measures a model again and keeps the result.
 *
 * @param options `refine`: adds what takes more passes.
 * @returns Path of the file written.
 * @throws {EngineError} `invalid_request` if the text is too short.
 */
export async function calibrate(
  model: LoadedModel,
  request: CalibrationRequest,
  options: {
    onProgress: OnProgress;
    refine: ((measured: Calibration, ids: readonly number[]) => Promise<Calibration>) | null;
  },
): Promise<string> {
  const ids = calibrationIds(model.file, request.text);
  const measured = await measureCalibration(model, ids, options.onProgress);
  const calibration = await options.refine?.(measured, ids) ?? measured;
  const profile = codecProfile({ name: "near-lossless" });
  const held = await withPromise(model, { calibration, profile, ids }, options.onProgress);
  await model.gpu.throwIfFailedByNow();
  const path = request.output ?? calibrationPath(held.modelFingerprint);
  return await saveCalibration(held, path);
}
