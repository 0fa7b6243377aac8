/**
 * The calibration of a model that is loaded for serving.
 *
 * @module
 */

import { type Calibration, parseCalibration } from "../calibration/calibration.ts";
import { needsCalibration } from "../codec/profile.ts";
import type { CodecProfile } from "../codec/profile_types.ts";
import { measureCalibration } from "./calibration_run.ts";
import { calibrationOwner } from "./fingerprint.ts";
import { needsPromise, withPromise } from "./held_promise.ts";
import type { LoadedModel, OnProgress } from "./load_model.ts";
import type { CalibrationSource } from "./types.ts";

/**
 * The calibration that a profile needs: that of the source, or one measured now, with what the
 * profile needs to hold its promise.
 *
 * @returns `inForce`: null if the profile needs none. `measured`: null if it was not made now.
 */
export async function resolveCalibration(
  loaded: LoadedModel,
  options: { profile: CodecProfile; calibration: CalibrationSource | null },
  onProgress: OnProgress,
): Promise<{ inForce: Calibration | null; measured: Calibration | null }> {
  const { profile, calibration: source } = options;
  // It is kept for the model, however its products are made.
  const model: LoadedModel = { ...loaded, math: "f32" };
  if (!needsCalibration(profile)) return { inForce: null, measured: null };
  if (source === null) throw new TypeError(`Cannot load profile ${profile.name} uncalibrated`);
  const owner = { ...calibrationOwner(model), path: "given to the engine" };
  const kept = source.bytes === null ? null : parseCalibration(source.bytes, owner);
  const ids = source.textIds;
  const calibration = kept ?? await measureCalibration(model, ids, onProgress);
  const inForce = needsPromise(profile, calibration)
    ? await withPromise(model, { calibration, profile, ids }, onProgress)
    : calibration;
  // Of a model whose layers share it says nothing of the model itself, whose calibration is kept.
  const isItself = (model.sharedLayers ?? []).length === 0;
  return { inForce, measured: isItself && inForce !== kept ? inForce : null };
}
