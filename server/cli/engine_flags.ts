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
const STEP_RANGE = { min: 0.05, max: 16 };

/** Which flags a kind of profile takes, beside its name. */
const SETTINGS_BY_KIND = {
  exact: [],
  paper: ["k-rel", "v-rel", "pack-size", "repack"],
  calibrated: ["k-step", "v-step", "sink-tokens", "layer-steps", "repack"],
} as const;

/** Names of all profiles, the default first. */
const PROFILES = ["balanced", "near-lossless", "tight", "paper", "exact"] as const;

/** Flags that name the model and the codec of its cache; of {@link readProfile}. */
export const CODEC_FLAGS: FlagSpecs = {
  model: {
    value: "MODEL",
    help: "GGUF file, or owner/repo:file.gguf of the hub (default: SmolLM2-135M-Instruct)",
  },
  profile: {
    value: "NAME",
    choices: PROFILES,
    help: "codec of the KV cache (default: balanced)",
  },
  "k-step": {
    value: "STEP",
    help: "step of keys in units of a score, 0.05 to 16; balanced, near-lossless, tight",
  },
  "v-step": {
    value: "STEP",
    help: "step of values relative to a token's mean magnitude, 0.05 to 16; the same profiles",
  },
  "sink-tokens": { value: "N", help: "first tokens that stay raw, 0 to 16 (default: 4; paper: 0)" },
  "layer-steps": {
    value: "FILE",
    help: 'factors of both steps by layer: JSON, [{"key": 1, "value": 0.5}, ...]',
  },
  "k-rel": { value: "REL", help: "paper: step of keys relative to a token's range (default: 0.1)" },
  "v-rel": { value: "REL", help: "paper: step of values, likewise (default: 0.2)" },
  "pack-size": {
    value: "N",
    choices: ["4", "8", "16", "32"],
    help: "paper: tokens per pack (default: 16)",
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
  const cacheSizeMib = flags.number("kv-memory", { min: 1, max: 2 ** 22, unit: "MiB" });
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
 * @throws {UsageError} If one is out of its range, or not one of the profile's.
 */
export function readProfile(flags: Flags): ProfileOptions {
  const name = flags.text("profile") ?? PROFILES[0];
  const taken: readonly string[] = SETTINGS_BY_KIND[kindOf(name)];
  const { model: _, profile: __, ...settings } = CODEC_FLAGS;
  const wrong = Object.keys(settings).find((flag) => flags.has(flag) && !taken.includes(flag));
  if (wrong) {
    const those = taken.length === 0 ? "no settings" : taken.map((flag) => `--${flag}`).join(", ");
    throw new UsageError(`Cannot use --${wrong} with --profile ${name}, which takes ${those}`);
  }
  const profile: Record<string, unknown> = { name };
  const numbers = {
    keyRel: flags.number("k-rel", REL_RANGE),
    valueRel: flags.number("v-rel", REL_RANGE),
    keyStep: flags.number("k-step", STEP_RANGE),
    valueStep: flags.number("v-step", STEP_RANGE),
    sinkCount: flags.number("sink-tokens", { min: 0, max: 16, isInteger: true }),
    packSize: flags.has("pack-size") ? Number(flags.text("pack-size")) : null,
  };
  for (const [setting, value] of Object.entries(numbers)) {
    if (value !== null) profile[setting] = value;
  }
  if (flags.has("repack")) profile.repack = flags.text("repack");
  const path = flags.text("layer-steps");
  if (path !== null) profile.layerFactors = readLayerSteps(path);
  return profile as unknown as ProfileOptions;
}

function kindOf(profileName: string): keyof typeof SETTINGS_BY_KIND {
  return profileName === "exact" || profileName === "paper" ? profileName : "calibrated";
}

function readLayerSteps(path: string): NonNullable<ProfileOptions["layerFactors"]> {
  const refuse = (state: string): never => {
    throw new UsageError(`Cannot use --layer-steps ${path}: ${state}`);
  };
  try {
    const value: unknown = JSON.parse(Deno.readTextFileSync(path));
    const isNumber = (each: unknown) => typeof each === "number" && each > 0;
    const isList = Array.isArray(value) && value.length > 0 &&
      value.every((each) => isNumber(each?.key) && isNumber(each?.value));
    if (!isList) refuse('must be a list of {"key": NUMBER, "value": NUMBER}, one for each layer');
    return value as { key: number; value: number }[];
  } catch (error) {
    if (error instanceof UsageError) throw error;
    return refuse(error instanceof Error ? error.message : String(error));
  }
}
