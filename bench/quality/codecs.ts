/**
 * What is compared with the exact cache: profiles of ours, and baselines.
 *
 * @module
 */

import type { ProfileOptions } from "../../src/engine/types.ts";
import type { HeadShape } from "../../src/codec/raw_tile.ts";
import { codecProfile, describeProfile } from "../../src/codec/profile.ts";
import type { SequenceRunOptions } from "../../src/engine/sequence_run.ts";
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

/** How a sequence runs with the codec. */
export function runOptions(
  { profile, baseline }: EvalCodec,
  shape: HeadShape,
): Pick<SequenceRunOptions, "profile" | "rewriteTile"> {
  if (baseline === null) return { profile };
  return { profile: { name: "exact" }, rewriteTile: baselineRewriter(baseline, shape) };
}
