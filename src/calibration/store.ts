/**
 * Where calibrations are kept: shipped ones beside this file, measured ones in the user's cache
 * folder, each named by its model's fingerprint.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Calibration,
  type ExpectedCalibration,
  parseCalibration,
  serialiseCalibration,
} from "./calibration.ts";

/** What a calibration must belong to. */
export type CalibrationOwner = Omit<ExpectedCalibration, "path">;

/** `${XDG_CACHE_HOME:-~/.cache}/packkv/calibrations/<fingerprint>.pkvc`; it need not exist. */
export function calibrationPath(modelFingerprint: string): string {
  const home = Deno.env.get("HOME") || Deno.env.get("USERPROFILE") || ".";
  const base = Deno.env.get("XDG_CACHE_HOME") || join(home, ".cache");
  return join(base, "packkv", "calibrations", `${modelFingerprint}.pkvc`);
}

/** Path of a calibration that comes with the program; it need not exist. */
export function shippedPath(modelFingerprint: string): string {
  return fileURLToPath(new URL(`./shipped/${modelFingerprint}.pkvc`, import.meta.url));
}

/**
 * Finds the calibration of a model: the user's own, else the shipped one.
 *
 * @returns Null if there is none.
 * @throws {EngineError} `model_file_invalid` if it is damaged, of another version or model.
 */
export async function findCalibration(owner: CalibrationOwner): Promise<Calibration | null> {
  for (const path of [calibrationPath, shippedPath].map((of) => of(owner.modelFingerprint))) {
    const bytes = await readIfThere(path);
    if (bytes !== null) return parseCalibration(bytes, { ...owner, path });
  }
  return null;
}

/** Writes a calibration under a temporary name, then renames it; returns its path. */
export async function saveCalibration(
  calibration: Calibration,
  path: string = calibrationPath(calibration.modelFingerprint),
): Promise<string> {
  await Deno.mkdir(join(path, ".."), { recursive: true });
  const temporary = `${path}.${crypto.randomUUID()}.part`;
  await Deno.writeFile(temporary, serialiseCalibration(calibration));
  await Deno.rename(temporary, path);
  return path;
}

async function readIfThere(path: string): Promise<Uint8Array | null> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
