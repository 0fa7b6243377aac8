/**
 * The flags that say which engine to create, shared by all commands that create one.
 *
 * @module
 */

import type { EngineOptions } from "../../mod.ts";
import { SHARING_PROFILE_NAMES } from "../../src/codec/profile.ts";
import { CONTEXT_LENGTH_MAX, WINDOW_TOKEN_COUNT } from "../../src/core/shapes.ts";
import { ADAPTER_FLAGS, readEngineAdapter } from "./adapter_flags.ts";
import { CODEC_FLAGS, readProfile } from "./codec_flags.ts";
import type { Flags, FlagSpecs } from "./flags.ts";
import { MATH_FLAG, readMath } from "./math_flag.ts";
import { readWindow } from "./window_flag.ts";
import { readServingFlags, SERVING_FLAGS } from "./serving_flags.ts";
import { UsageError } from "./usage_error.ts";

/** Flags of {@link readEngineFlags}. */
export const ENGINE_FLAGS: FlagSpecs = {
  ...CODEC_FLAGS,
  ctx: { value: "TOKENS", help: "context length (default: the model's)" },
  sequences: { value: "N", help: "sequences that run at a time, 1 to 64 (default: 4)" },
  "kv-memory": {
    value: "MIB",
    help: "device memory for packed blocks (default: printed at start)",
  },
  ...ADAPTER_FLAGS,
  tune: {
    value: "MODE",
    choices: ["on", "again", "off"],
    help: "measure a GPU's kernels at its first start, 5 s (default: on), again, or never",
  },
  math: MATH_FLAG,
  window: {
    value: "TOKENS",
    help: `newest tokens that stay raw, a multiple of 64 from 0 (default: ${WINDOW_TOKEN_COUNT})`,
  },
  ...SERVING_FLAGS,
};

/** What the engine flags ask for. */
export interface EngineRequest {
  /** As the user wrote it; null for the default model. */
  model: string | null;
  /** The rest of what `createEngine` takes. */
  options: Omit<EngineOptions, "modelPath" | "onProgress">;
}

/**
 * Reads the engine flags.
 *
 * @throws {UsageError} If one is out of its range, or a codec is given settings of another.
 */
export function readEngineFlags(flags: Flags): EngineRequest {
  const contextLength = flags.number("ctx", { min: 1, max: CONTEXT_LENGTH_MAX, isInteger: true });
  const sequenceCountMax = flags.number("sequences", { min: 1, max: 64, isInteger: true });
  const cacheSizeMib = flags.number("kv-memory", { min: 1, max: 2 ** 22, unit: "MiB" });
  const windowTokenCount = readWindow(flags);
  const options: EngineRequest["options"] = sharesCodes(flags)
    ? {}
    : { profile: readProfile(flags) };
  if (contextLength !== null) options.contextLength = contextLength;
  if (sequenceCountMax !== null) options.sequenceCountMax = sequenceCountMax;
  if (cacheSizeMib !== null) options.cacheSizeBytes = Math.floor(cacheSizeMib * 2 ** 20);
  if (windowTokenCount !== null) options.windowTokenCount = windowTokenCount;
  Object.assign(options, readEngineAdapter(flags));
  const tune = flags.text("tune");
  if (tune === "again" || tune === "off") options.tune = tune;
  const math = readMath(flags);
  if (math !== "f32") options.math = math;
  Object.assign(options, readServingFlags(flags));
  return { model: flags.text("model"), options };
}

/**
 * Whether `--share` names the codec.
 *
 * @throws {UsageError} If flags of the codec name another, or its settings.
 */
function sharesCodes(flags: Flags): boolean {
  const share = flags.text("share");
  const [name] = share?.split(":", 1) ?? [];
  if (name === undefined || !SHARING_PROFILE_NAMES.includes(name)) return false;
  const { model: _, ...codecFlags } = CODEC_FLAGS;
  const given = Object.keys(codecFlags).find((flag) => flags.has(flag));
  if (given === undefined) return true;
  throw new UsageError(
    `Cannot use ${flags.label(given)} with --share ${share}: ${name} is a codec of its own, and ` +
      `its settings stand behind its name, as in --share ${name}:bits=2`,
  );
}
