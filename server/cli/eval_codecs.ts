/**
 * The codecs that `packkv eval` is asked to compare.
 *
 * @module
 */

import type { ProfileOptions } from "../../mod.ts";
import {
  BASELINE_NAMES,
  findBaseline,
  namesBaseline,
} from "../../src/evaluation/baselines/table.ts";
import { type EvalCodec, withWindow } from "../../src/evaluation/codecs.ts";
import { WINDOW_TOKEN_COUNT } from "../../src/core/shapes.ts";
import { DEFAULT_PROFILE_NAME, PROFILE_NAMES } from "../../src/codec/profile.ts";
import { CODEC_FLAGS, readProfile } from "./codec_flags.ts";
import { type Flags, parseFlags } from "./flags.ts";
import { nearest } from "./nearest.ts";
import { UsageError, usageErrorOf } from "./usage_error.ts";

/** Stands for all baselines in a list of codecs. */
const ALL_BASELINES = "baselines";

/** A codec before the model is known; without a profile it is a baseline's name. */
export interface CodecRequest {
  name: string;
  profile: ProfileOptions | null;
}

/**
 * Reads `--profiles`, or else the flags of a single profile.
 *
 * @throws {UsageError} If both are given, or a name or setting is wrong.
 */
export function readCodecRequests(flags: Flags): CodecRequest[] {
  const list = flags.text("profiles");
  if (list === null) {
    const profile = readProfile(flags);
    return [{ name: profileName(flags), profile }];
  }
  const { model: _, ...settings } = CODEC_FLAGS;
  const given = Object.keys(settings).find((name) => flags.has(name));
  if (given) throw new UsageError(`Cannot use --${given} with --profiles: write it in the list`);
  return parseCodecList(list);
}

/**
 * Parses a list such as `paper,paper:k-rel=0.05:repack=greedy,q4_0+sinks`: profiles with the values
 * of their flags, and baselines.
 *
 * @throws {UsageError} Naming what is wrong.
 */
export function parseCodecList(list: string): CodecRequest[] {
  return list.split(",").flatMap((item): CodecRequest[] => {
    if (item === ALL_BASELINES) return BASELINE_NAMES.map((name) => ({ name, profile: null }));
    if (isBaseline(item)) return [{ name: item, profile: null }];
    return [{ name: item, profile: parseProfile(item) }];
  });
}

function isBaseline(item: string): boolean {
  try {
    return namesBaseline(item);
  } catch (error) {
    return usageErrorOf(error);
  }
}

function parseProfile(item: string): ProfileOptions {
  const { model: _, ...specs } = CODEC_FLAGS;
  const [name, ...settings] = item.split(":");
  const names = [...PROFILE_NAMES, ...BASELINE_NAMES, ALL_BASELINES];
  if (!names.includes(name)) {
    const guess = nearest(name, names);
    const hint = guess === null ? `must be one of ${names.join(", ")}` : `did you mean ${guess}?`;
    throw new UsageError(`Cannot evaluate ${item || "an empty name"}: no such profile; ${hint}`);
  }
  if (BASELINE_NAMES.includes(name)) {
    throw new UsageError(`Cannot evaluate ${item}: a baseline has no settings`);
  }
  const args = settings.map((setting) => `--${setting}`);
  return readProfile(parseFlags([`--profile=${name}`, ...args], specs));
}

/** The name of the flags' profile, as a list would have it. */
function profileName(flags: Flags): string {
  const { model: _, profile: __, ...settings } = CODEC_FLAGS;
  const given = Object.keys(settings).filter((name) => flags.has(name));
  const name = flags.text("profile") ?? DEFAULT_PROFILE_NAME;
  return [name, ...given.map((setting) => `${setting}=${flags.text(setting)}`)].join(":");
}

/** The codecs for a model's heads, each with each of `windows` raw tokens. */
export function resolveCodecs(
  requests: readonly CodecRequest[],
  shape: { kvHeadCount: number; headSize: number },
  windows: readonly number[] = [WINDOW_TOKEN_COUNT],
): EvalCodec[] {
  return requests.flatMap((request) => {
    const codec = resolveCodec(request, shape);
    // Some count what they saw, so that each has its own; one that learns does so once.
    const learns = codec.baseline?.codec.learning !== undefined;
    return windows.map((window) =>
      withWindow(learns ? codec : resolveCodec(request, shape), window)
    );
  });
}

function resolveCodec(
  { name, profile }: CodecRequest,
  shape: { kvHeadCount: number; headSize: number },
): EvalCodec {
  if (profile !== null) return { name, profile, baseline: null };
  const baseline = findBaseline(name, shape);
  if (baseline === null) throw new UsageError(`Cannot evaluate ${name}: no such baseline`);
  return { name, profile: null, baseline };
}
