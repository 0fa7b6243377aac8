/**
 * The flags that say how many requests are served at a time, and what is kept for later ones.
 *
 * @module
 */

import type { EngineOptions } from "../../mod.ts";
import type { Flags, FlagSpecs } from "./flags.ts";

/** Flags of {@link readServingFlags}. */
export const SERVING_FLAGS: FlagSpecs = {
  queue: { value: "N", help: "requests that may wait; more get 429 (default: 64)" },
  "step-tokens": {
    value: "N",
    help: "tokens of a step that decodes, prompts included (default: 128, on a CPU 8)",
  },
  "prefix-cache": {
    value: "SWITCH",
    choices: ["on", "off"],
    help: "keep and share blocks of prompts that begin alike (default: on)",
  },
};

/**
 * Reads the serving flags.
 *
 * @throws {UsageError} If one is out of its range.
 */
export function readServingFlags(flags: Flags): Partial<EngineOptions> {
  const options: Partial<EngineOptions> = {};
  const waitingCountMax = flags.number("queue", { min: 0, max: 100_000, isInteger: true });
  const stepTokenCountMax = flags.number("step-tokens", { min: 1, max: 4096, isInteger: true });
  if (waitingCountMax !== null) options.waitingCountMax = waitingCountMax;
  if (stepTokenCountMax !== null) options.stepTokenCountMax = stepTokenCountMax;
  if (flags.has("prefix-cache")) options.sharesPrefixes = flags.text("prefix-cache") === "on";
  return options;
}
