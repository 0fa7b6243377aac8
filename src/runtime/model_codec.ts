/**
 * The codec of a model's cache: the profile's settings, with the calibration where they need one.
 *
 * @module
 */

import { type Calibration, parseCalibration } from "../calibration/calibration.ts";
import { sharedCalibration } from "../calibration/shared_layers.ts";
import { calibratedTables, hasDamage } from "../calibration/tables.ts";
import { createCodec } from "../codec/profile.ts";
import type { AnyCodec } from "../codec/registry.ts";
import { describeProfile, needsCalibration } from "../codec/profile.ts";
import { EngineError } from "../core/errors.ts";
import type { CodecProfile } from "../codec/profile_types.ts";
import { measureCalibration } from "./calibration_run.ts";
import { calibrationOwner } from "./fingerprint.ts";
import type { LoadedModel, OnProgress } from "./load_model.ts";
import type { CalibrationSource, CodecInfo } from "./types.ts";

/**
 * Makes the codec.
 *
 * @param calibration The model's; null where the profile needs none.
 * @throws {EngineError} `invalid_request` if the profile's factors do not fit the model.
 */
export function modelCodec(
  { shape, plan, sharedLayers = [] }: Pick<LoadedModel, "shape" | "plan" | "sharedLayers">,
  profile: CodecProfile,
  calibration: Calibration | null,
): AnyCodec {
  if (!needsCalibration(profile)) return createCodec(shape, profile, null);
  if (calibration === null) {
    throw new TypeError(`Cannot use profile ${profile.name}: it needs a calibration`);
  }
  const sources = plan.layers.map(({ attention }) => attention.keyValueLayer);
  const own = sharedLayers.length === 0 ? calibration : sharedCalibration(calibration, sources);
  try {
    return createCodec(shape, profile, calibratedTables(own, profile));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new EngineError("invalid_request", error.message, { param: "profile" });
  }
}

/** The codec in words; says where steps are even because no damages were measured. */
export function codecInForce(
  { profile }: AnyCodec,
  calibration: Calibration | null,
): { profile: string; codec: CodecInfo } {
  const codec = codecInfo(profile, calibration);
  const text = describeProfile(profile);
  const isEven = codec.layerSteps === "even";
  return {
    profile: isEven ? `${text}, steps even over layers (packkv calibrate --damage)` : text,
    codec,
  };
}

function codecInfo(profile: CodecProfile, calibration: Calibration | null): CodecInfo {
  if (!needsCalibration(profile) || calibration === null) {
    return { settings: profile, layerSteps: null, calibration: null };
  }
  const measured = hasDamage(calibration) ? "calibration" : "even";
  const { modelFingerprint, textFingerprint, tokenCount } = calibration;
  return {
    settings: profile,
    layerSteps: profile.layerFactors === null ? measured : "options",
    calibration: { modelFingerprint, textFingerprint, tokenCount },
  };
}

/**
 * The calibration that a profile needs: that of the source, or one measured now.
 *
 * @returns `inForce`: null if the profile needs none. `measured`: null if it was not made now.
 */
export async function resolveCalibration(
  model: LoadedModel,
  options: { profile: CodecProfile; calibration: CalibrationSource | null },
  onProgress: OnProgress,
): Promise<{ inForce: Calibration | null; measured: Calibration | null }> {
  const { profile, calibration: source } = options;
  if (!needsCalibration(profile)) return { inForce: null, measured: null };
  if (source === null) throw new TypeError(`Cannot load profile ${profile.name} uncalibrated`);
  if (source.bytes !== null) {
    const path = "given to the engine";
    return {
      inForce: parseCalibration(source.bytes, { ...calibrationOwner(model), path }),
      measured: null,
    };
  }
  const measured = await measureCalibration(model, source.textIds, onProgress);
  // Of a model whose layers share it says nothing of the model itself, whose calibration is kept.
  const isItself = (model.sharedLayers ?? []).length === 0;
  return { inForce: measured, measured: isItself ? measured : null };
}
