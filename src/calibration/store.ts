/**
 * Where calibrations are kept: shipped ones beside this file; in the user's cache folder those the
 * user asked for, and apart from them those that loading measured by itself. Each is named by its
 * model's fingerprint.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { userCachePath } from "../core/cache_folder.ts";
import { EngineError } from "../core/errors.ts";
import {
  type Calibration,
  CALIBRATION_VERSION,
  type ExpectedCalibration,
  parseCalibration,
  serialiseCalibration,
} from "./calibration.ts";
import { writeAtomically } from "../tiers/atomic_file.ts";

/** What a calibration must belong to. */
export type CalibrationOwner = Omit<ExpectedCalibration, "path">;

/**
 * Of a calibration the user asked for; it need not exist:
 * `${XDG_CACHE_HOME:-~/.cache}/packkv/calibrations/<fingerprint>.pkvc`.
 */
export function calibrationPath(modelFingerprint: string): string {
  return cachePath(`${modelFingerprint}.pkvc`);
}

/**
 * Of a calibration that loading measured, `<fingerprint>.measured-<version>.pkvc` there; likewise.
 * One of an older version is not found, so that loading measures again.
 */
export function measuredPath(modelFingerprint: string): string {
  return cachePath(`${modelFingerprint}.measured-${CALIBRATION_VERSION}.pkvc`);
}

/**
 * Where what loading measures is kept: beside what the user measured it is never looked for, so
 * that one is completed in its place.
 */
export async function keptPath(modelFingerprint: string): Promise<string> {
  const own = calibrationPath(modelFingerprint);
  return await readIfThere(own) === null ? measuredPath(modelFingerprint) : own;
}

function cachePath(fileName: string): string {
  return userCachePath("calibrations", fileName);
}

/** Path of a calibration that comes with the program; it need not exist. */
export function shippedPath(modelFingerprint: string): string {
  return fileURLToPath(new URL(`./shipped/${modelFingerprint}.pkvc`, import.meta.url));
}

/**
 * Finds the calibration of a model: the one the user asked for, else the shipped one, else the one
 * that loading measured.
 *
 * @returns Null if there is none.
 * @throws {EngineError} `model_file_invalid` if it is damaged, of another version or model.
 */
export async function findCalibration(owner: CalibrationOwner): Promise<Calibration | null> {
  for (
    const path of [calibrationPath, shippedPath, measuredPath].map((of) =>
      of(owner.modelFingerprint)
    )
  ) {
    const bytes = await readIfThere(path);
    if (bytes === null) continue;
    const found = parseCalibration(bytes, { ...owner, path });
    // With shipped ones the profiles' own steps were seen to hold.
    return path === shippedPath(owner.modelFingerprint) ? { stepFactor: 1, ...found } : found;
  }
  return null;
}

/**
 * Writes a calibration, whole or not at all; returns its path.
 *
 * @throws {EngineError} `storage_failed` if that is not possible.
 */
export async function saveCalibration(
  calibration: Calibration,
  path: string,
): Promise<string> {
  try {
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await writeAtomically(path, serialiseCalibration(calibration));
    return path;
  } catch (cause) {
    const message = `Cannot keep the calibration at ${path}: ${(cause as Error).message}`;
    throw new EngineError("storage_failed", message, { cause });
  }
}

async function readIfThere(path: string): Promise<Uint8Array | null> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
