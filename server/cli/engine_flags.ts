/**
 * The flags that say which engine to create, shared by all commands that create one.
 *
 * @module
 */

import type { EngineOptions, ProfileOptions } from "../../mod.ts";
import type { Flags, FlagSpecs } from "./flags.ts";
import { readServingFlags, SERVING_FLAGS } from "./serving_flags.ts";
import { UsageError } from "./usage_error.ts";

const REL_RANGE = { min: 1 / 254, max: 0.5 };
const CODEC_SETTINGS = ["k-rel", "v-rel", "pack-size", "repack"] as const;

/** Flags that name the model and the codec of its cache; of {@link readProfile}. */
export const CODEC_FLAGS: FlagSpecs = {
  model: {
    value: "MODEL",
    help: "GGUF file, or owner/repo:file.gguf of the hub (default: SmolLM2-135M-Instruct)",
  },
  profile: {
    value: "NAME",
    choices: ["exact", "paper"],
    help: "codec of the KV cache (default: paper)",
  },
  "k-rel": { value: "REL", help: "step of keys relative to a token's range (default: 0.1)" },
  "v-rel": { value: "REL", help: "step of values relative to a token's range (default: 0.2)" },
  "pack-size": {
    value: "N",
    choices: ["4", "8", "16", "32"],
    help: "tokens per pack (default: 16)",
  },
  repack: {
    value: "RULE",
    choices: ["none", "median", "greedy"],
    help: "order of tokens before packing (default: none)",
  },
};

/** Flags of {@link readEngineFlags}. */
export const ENGINE_FLAGS: FlagSpecs = {
  ...CODEC_FLAGS,
  ctx: { value: "TOKENS", help: "context length (default: the model's)" },
  sequences: { value: "N", help: "sequences that run at a time, 1 to 64 (default: 4)" },
  "kv-memory": {
    value: "MIB",
    help: "device memory for packed blocks (default: printed at start)",
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
 * @throws {UsageError} If one is out of its range, or `exact` is given codec settings.
 */
export function readEngineFlags(flags: Flags): EngineRequest {
  const contextLength = flags.number("ctx", { min: 1, max: 2 ** 24, isInteger: true });
  const sequenceCountMax = flags.number("sequences", { min: 1, max: 64, isInteger: true });
  const cacheSizeMib = flags.number("kv-memory", { min: 1, max: 2 ** 22 });
  const options: EngineRequest["options"] = { profile: readProfile(flags) };
  if (contextLength !== null) options.contextLength = contextLength;
  if (sequenceCountMax !== null) options.sequenceCountMax = sequenceCountMax;
  if (cacheSizeMib !== null) options.cacheSizeBytes = Math.floor(cacheSizeMib * 2 ** 20);
  Object.assign(options, readServingFlags(flags));
  return { model: flags.text("model"), options };
}

/**
 * Reads the codec flags.
 *
 * @throws {UsageError} If one is out of its range, or `exact` is given codec settings.
 */
export function readProfile(flags: Flags): ProfileOptions {
  const name = flags.text("profile") ?? "paper";
  const given = CODEC_SETTINGS.find((flag) => flags.has(flag));
  if (name === "exact" && given) {
    throw new UsageError(
      `Cannot use ${flags.label(given)} with --profile exact: it stores values as they are`,
    );
  }
  const profile: Record<string, unknown> = { name };
  const keyRel = flags.number("k-rel", REL_RANGE);
  const valueRel = flags.number("v-rel", REL_RANGE);
  if (keyRel !== null) profile.keyRel = keyRel;
  if (valueRel !== null) profile.valueRel = valueRel;
  if (flags.has("pack-size")) profile.packSize = Number(flags.text("pack-size"));
  if (flags.has("repack")) profile.repack = flags.text("repack");
  return profile as unknown as ProfileOptions;
}
