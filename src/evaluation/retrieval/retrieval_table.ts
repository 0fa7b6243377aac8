/**
 * Retrieval reports as a table for people.
 *
 * @module
 */

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
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column].length))
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ");
  return [
    `${code.cases} codes and ${pair.cases} pairs in ${documents} documents of ${tokens} tokens ` +
    `of ${text} (${form} form, seeds from ${seed}); exact matches in percent`,
    ...[heads, ...rows].map(line),
  ].join("\n");
}
