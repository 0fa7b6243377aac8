/**
 * What is compared with the exact cache: profiles of ours, and baselines.
 *
 * @module
 */

import type { ProfileOptions } from "../engine/types.ts";
import { hasDamage } from "../calibration/tables.ts";
import { codecProfile, describeProfile, needsCalibration } from "../codec/profile.ts";
import { loadCalibration } from "../runtime/calibration_source.ts";
import type { LoadedModel, OnProgress } from "../runtime/load_model.ts";
import type { SequenceRunOptions } from "../runtime/sequence_run.ts";
import { type Baseline, baselineRewriter } from "./baselines/baseline.ts";

/** One column of a comparison. */
export type EvalCodec =
  | { name: string; profile: ProfileOptions; baseline: null }
  | { name: string; profile: null; baseline: Baseline };

/** The exact cache itself. */
export const EXACT: EvalCodec = { name: "exact", profile: { name: "exact" }, baseline: null };

/** A codec with all its settings in words: equal words, equal codec. */
export function describeCodec({ name, profile, baseline }: EvalCodec): string {
  if (baseline === null) return describeProfile(codecProfile(profile));
  const { codec, sinkTokenCount } = baseline;
  const sinks = sinkTokenCount === 0 ? "" : `, first ${sinkTokenCount} tokens raw`;
  return `${name} (${codec.description}${sinks})`;
}

/**
 * Codecs in words, with the calibration in force where one is needed: it may be measured now.
 *
 * @returns By the codecs' names.
 */
export async function describeInForce(
  codecs: readonly EvalCodec[],
  model: LoadedModel,
  onProgress: OnProgress,
): Promise<ReadonlyMap<string, string>> {
  const words = new Map<string, string>();
  for (const codec of codecs) {
    const { calibration = null } = await runOptions(codec, model, onProgress);
    const steps = calibration === null
      ? ""
      : `, calibrated on text ${calibration.textFingerprint.slice(0, 8)}, steps ${
        hasDamage(calibration) ? "by layer" : "even over layers"
      }`;
    words.set(codec.name, describeCodec(codec) + steps);
  }
  return words;
}

/** First tokens of a sequence that the codec leaves raw. */
export function sinkTokenCount({ profile, baseline }: EvalCodec): number {
  if (baseline !== null) return baseline.sinkTokenCount;
  const settings = codecProfile(profile);
  return needsCalibration(settings) ? settings.sinkCount : 0;
}

/** How a sequence of a model runs with the codec; measures a calibration if it needs one. */
export async function runOptions(
  { profile, baseline }: EvalCodec,
  model: LoadedModel,
  onProgress: OnProgress,
): Promise<Pick<SequenceRunOptions, "profile" | "rewriteTile" | "calibration">> {
  const { shape } = model;
  if (baseline === null) {
    if (!needsCalibration(codecProfile(profile))) return { profile };
    return { profile, calibration: await loadCalibration(model, onProgress) };
  }
  return { profile: { name: "exact" }, rewriteTile: baselineRewriter(baseline, shape) };
}
