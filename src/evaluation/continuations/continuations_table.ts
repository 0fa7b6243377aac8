/**
 * Reports of free running as a table for people.
 *
 * @module
 */

import { aligned } from "../aligned.ts";
import type { Interval } from "../interval.ts";
import type { ContinuationReport } from "./continuations.ts";

const words = ({ mean, margin }: Interval, digits: number, factor = 1) =>
  `${(factor * mean).toFixed(digits)} ± ${(factor * margin).toFixed(digits)}`;

const HEADS = [
  "codec",
  "mode",
  "parts at",
  "same",
  "log p",
  "log p - exact",
  "repeated %",
  "repeated - exact",
];

/** A line for each codec and mode, with 95% intervals. */
export function formatContinuations(reports: readonly ContinuationReport[]): string {
  const [{ text, prompts, prompt_tokens, tokens, seed }] = reports;
  const rows = reports.map(({ codec, mode, score }) => [
    codec,
    mode,
    words(score.shared_tokens, 1),
    `${score.same}`,
    words(score.log_prob, 3),
    words(score.against_exact.log_prob, 3),
    words(score.repetition, 1, 100),
    words(score.against_exact.repetition, 1, 100),
  ]);
  return [
    `${prompts} prompts of ${prompt_tokens} tokens of ${text} continued by ${tokens} (seeds from ` +
    `${seed}); log-probabilities under exact; with 95% intervals`,
    ...aligned([HEADS, ...rows], 2),
  ].join("\n");
}
