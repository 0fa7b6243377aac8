/**
 * Copying reports as a table for people.
 *
 * @module
 */

import { aligned } from "../aligned.ts";
import type { Interval } from "../interval.ts";
import type { CopyingReport } from "./copying.ts";
import { PIECE_KINDS } from "./pieces.ts";

const percent = (share: number) => (100 * share).toFixed(1);
const difference = ({ mean, margin }: Interval) => `${percent(mean)} ± ${percent(margin)}`;

/** A line for each codec: shares in percent, and differences to the exact cache. */
export function formatCopying(reports: readonly CopyingReport[]): string {
  const [{ filler, distance, seed, all }] = reports;
  const heads = ["codec", "tokens", "copied", "parts", ...PIECE_KINDS, "tokens - exact", "parts -"];
  const rows = reports.map((report) => [
    report.codec,
    percent(report.all.tokens),
    percent(report.all.copied),
    percent(report.all.parts),
    ...PIECE_KINDS.map((kind) => percent(report.by_kind[kind].parts)),
    difference(report.against_exact.tokens),
    difference(report.against_exact.parts),
  ]);
  return [
    `${all.pieces} pieces behind ${distance} tokens of ${filler} (seeds from ${seed}), in ` +
    "percent; by kind: parts; differences with 95% intervals",
    ...aligned([heads, ...rows], 1),
  ].join("\n");
}
