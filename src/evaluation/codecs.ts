/**
 * What is compared with the exact cache: profiles of ours, and baselines.
 *
 * @module
 */

import { WINDOW_TOKEN_COUNT } from "../core/shapes.ts";
import type { ProfileOptions } from "../engine/types.ts";
import type { CodecProfile } from "../codec/profile_types.ts";
import { hasDamage } from "../calibration/tables.ts";
import { codecProfile, describeProfile, needsCalibration } from "../codec/profile.ts";
import { CALIBRATION_TOKEN_COUNT, sampleText } from "../runtime/calibration_run.ts";
import { calibrationIds, loadCalibration } from "../runtime/calibration_source.ts";
import { RopeTables } from "../model/rope_table.ts";
import type { LoadedModel, OnProgress } from "../runtime/load_model.ts";
import { modelCodec, stepFactorText } from "../runtime/model_codec.ts";
import type { SequenceRunOptions } from "../runtime/sequence_run.ts";
import { type Baseline, baselineRewriter, type Learning } from "./baselines/baseline.ts";

/** One column of a comparison. */
export type EvalCodec =
  & {
    name: string;
    /** Newest tokens that stay raw; 128 if left out. */
    windowTokenCount?: number;
  }
  & ({ profile: ProfileOptions; baseline: null } | { profile: null; baseline: Baseline });

/** The exact cache itself. */
export const EXACT: EvalCodec = { name: "exact", profile: { name: "exact" }, baseline: null };

/** A codec with all its settings in words: equal words, equal codec. */
export function describeCodec(evalCodec: EvalCodec): string {
  const { profile, baseline, windowTokenCount = WINDOW_TOKEN_COUNT } = evalCodec;
  const window = windowTokenCount === WINDOW_TOKEN_COUNT ? "" : `, window of ${windowTokenCount}`;
  if (baseline === null) return describeProfile(codecProfile(profile)) + window;
  const { name, codec, sinkTokenCount } = baseline;
  const sinks = sinkTokenCount === 0 ? "" : `, first ${sinkTokenCount} tokens raw`;
  return `${name} (${codec.description}${sinks})${window}`;
}

/** A codec with so many raw tokens; named for it unless these are as usual. */
export function withWindow(codec: EvalCodec, windowTokenCount: number): EvalCodec {
  if (windowTokenCount === WINDOW_TOKEN_COUNT) return codec;
  return { ...codec, name: `${codec.name}, window ${windowTokenCount}`, windowTokenCount };
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
    const { calibration = null, profile } = await runOptions(codec, model, onProgress);
    const steps = calibration === null
      ? ""
      : `, calibrated on text ${calibration.textFingerprint.slice(0, 8)}, steps ${
        hasDamage(calibration) ? "by layer" : "even over layers"
      }${stepFactorText(codecProfile(profile), calibration)}`;
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
  { profile, baseline, windowTokenCount = WINDOW_TOKEN_COUNT }: EvalCodec,
  model: LoadedModel,
  onProgress: OnProgress,
): Promise<
  Pick<SequenceRunOptions, "profile" | "rewriteTile" | "calibration" | "windowTokenCount">
> {
  const { shape } = model;
  const calibrationOf = async (settings: CodecProfile) =>
    needsCalibration(settings) ? await loadCalibration(model, settings, onProgress) : null;
  if (baseline === null) {
    const calibration = await calibrationOf(codecProfile(profile));
    return { profile, windowTokenCount, ...(calibration === null ? {} : { calibration }) };
  }
  const { codec } = baseline;
  if (codec.learning && !codec.learning.isDone) {
    await learnFromText(model, codec.learning, onProgress);
  }
  const records = "profile" in codec
    ? modelCodec(model, codec.profile, await calibrationOf(codec.profile))
    : null;
  const rope = new RopeTables(model.plan, model.weights.ropeFactors);
  const ropeOf = (layer: number) => rope.tables[rope.ofLayer[layer]];
  const rewriteTile = baselineRewriter(baseline, shape, { ropeOf, records });
  return { profile: { name: "exact" }, windowTokenCount, rewriteTile };
}

/** Has a baseline's codec read the text that profiles are calibrated on. */
async function learnFromText(
  model: LoadedModel,
  learning: Learning,
  onProgress: OnProgress,
): Promise<void> {
  const tokenCount = Math.min(CALIBRATION_TOKEN_COUNT, model.shape.contextLengthTrained);
  const ids = calibrationIds(model.file).slice(0, tokenCount);
  for (let pass = 0; pass < learning.passCount; pass++) {
    await sampleText(model, ids, {
      onSample: (layer, sample) => learning.add(layer, sample),
      onProgress: (share) =>
        onProgress("learning from the calibration text", (pass + share) / learning.passCount),
    });
    learning.endPass();
  }
}
