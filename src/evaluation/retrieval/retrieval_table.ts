/**
 * Retrieval reports as a table for people.
 *
 * @module
 */

import { aligned } from "../aligned.ts";
import type { RetrievalReport, RetrievalScore } from "./retrieval.ts";

const percent = ({ exact_match }: RetrievalScore) => (100 * exact_match).toFixed(1);

/** A line for each codec: exact matches in percent, and log-probabilities. */
export function formatRetrieval(reports: readonly RetrievalReport[]): string {
  const [{ text, form, documents, tokens, seed, code, pair }] = reports;
  const heads = ["codec", "smaller", "codes", "pairs", "all", "tokens", "log-prob", "by depth"];
  const rows = reports.map((report) => [
    report.codec,
    report.ratio.toFixed(2),
    percent(report.code),
    percent(report.pair),
    percent(report.all),
    (100 * report.all.token_match).toFixed(1),
    report.all.log_prob.toFixed(3),
    report.by_depth.map(percent).join(" / "),
  ]);
  return [
    `${code.cases} codes and ${pair.cases} pairs in ${documents} documents of ${tokens} tokens ` +
    `of ${text} (${form} form, seeds from ${seed}); exact matches in percent`,
    ...aligned([heads, ...rows], 1),
  ].join("\n");
}
