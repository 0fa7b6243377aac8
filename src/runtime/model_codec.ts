/**
 * The codec of a model's cache: the profile's settings, with the calibration where they need one.
 *
 * @module
 */

import type { Calibration } from "../calibration/calibration.ts";
import { sharedCalibration } from "../calibration/shared_layers.ts";
import { calibratedTables, hasDamage, stepFactor } from "../calibration/tables.ts";
import { createCodec } from "../codec/profile.ts";
import type { AnyCodec } from "../codec/registry.ts";
import { describeProfile, needsCalibration } from "../codec/profile.ts";
import { EngineError } from "../core/errors.ts";
import type { CodecProfile } from "../codec/profile_types.ts";
import { RopeTables } from "../model/rope_table.ts";
import type { LoadedModel } from "./load_model.ts";
import type { CodecInfo } from "./types.ts";

/**
 * Makes the codec.
 *
 * @param calibration The model's; null where the profile needs none.
 * @throws {EngineError} `invalid_request` if the profile's factors do not fit the model.
 */
export function modelCodec(
  { shape, plan, weights, sharedLayers = [] }: Pick<
    LoadedModel,
    "shape" | "plan" | "weights" | "sharedLayers"
  >,
  profile: CodecProfile,
  calibration: Calibration | null,
): AnyCodec {
  const { turns } = new RopeTables(plan, weights.ropeFactors);
  if (!needsCalibration(profile)) return createCodec(shape, profile, null, turns);
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
  const even = isEven ? ", steps even over layers (packkv calibrate --damage)" : "";
  return { profile: text + stepFactorText(profile, calibration) + even, codec };
}

/** Says that a profile's steps are finer on the model, to hold what it promises. */
export function stepFactorText(profile: CodecProfile, calibration: Calibration | null): string {
  if (calibration === null || !needsCalibration(profile)) return "";
  const factor = stepFactor(calibration, profile);
  return factor === 1 ? "" : `, steps times ${Number(factor.toFixed(2))} for this model`;
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
