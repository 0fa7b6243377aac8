/**
 * The flags that say how many requests are served at a time, and what is kept for later ones.
 *
 * @module
 */

import type { EngineOptions } from "../../mod.ts";
import type { Flags, FlagSpecs } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

/** Flags of {@link readServingFlags}. */
export const SERVING_FLAGS: FlagSpecs = {
  queue: { value: "N", help: "requests that may wait for a slot; more get 429 (default: 64)" },
  "step-tokens": {
    value: "N",
    help: "prompt tokens of a step that also decodes, per prompt (default: 128, on a CPU 4)",
  },
  "prefix-cache": {
    value: "SWITCH",
    choices: ["on", "off"],
    help: "keep and share blocks of prompts that begin alike (default: on)",
  },
  speculation: {
    value: "SWITCH",
    choices: ["on", "off"],
    help: "guess tokens by what repeats, check several in a step; same text (default: on)",
  },
  "kv-host-memory": {
    value: "MIB",
    help: "host memory for shared blocks (default: 0, with --kv-disk 256)",
  },
  "kv-disk": { value: "DIR", help: "folder for shared blocks, found again after a restart" },
  "kv-disk-size": { value: "GIB", help: "most disk space for shared blocks (default: 16)" },
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
  if (flags.has("speculation")) options.speculates = flags.text("speculation") === "on";
  const hostMib = flags.number("kv-host-memory", { min: 0, max: 2 ** 22, unit: "MiB" });
  const diskGib = flags.number("kv-disk-size", { min: 0.001, max: 2 ** 20, unit: "GiB" });
  const diskFolder = flags.text("kv-disk");
  if (hostMib !== null) options.hostSizeBytes = Math.floor(hostMib * 2 ** 20);
  if (diskFolder !== null) options.diskFolder = diskFolder;
  if (diskGib !== null) {
    if (diskFolder === null) throw new UsageError("Cannot use --kv-disk-size without --kv-disk");
    options.diskSizeBytes = Math.floor(diskGib * 2 ** 30);
  }
  if (diskFolder !== null && hostMib === 0) {
    throw new UsageError("Cannot use --kv-disk with --kv-host-memory 0: blocks pass through it");
  }
  if (options.sharesPrefixes === false && (diskFolder !== null || (hostMib ?? 0) > 0)) {
    throw new UsageError("Cannot use --kv-host-memory or --kv-disk with --prefix-cache off");
  }
  return options;
}
