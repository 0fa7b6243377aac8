/**
 * Reports of what is read as tables for people.
 *
 * @module
 */

import { aligned, percent } from "../aligned.ts";
import type { KeptAttentionReport, NeededTokensReport } from "./kept_attention.ts";
import type { ReadingReport, ReadRetrievalReport } from "./reading.ts";

/** A line for each method: share read, divergence from reading everything. */
export function formatReading(reports: readonly ReadingReport[]): string {
  const [{ texts, tokens, positions, profile, perplexity_all }] = reports;
  const hasValues = reports.some(({ host_values }) => host_values !== undefined);
  const heads = ["read", "share", "mean KL", "p99 KL", "same top", "perplexity"];
  if (hasValues) heads.push("fetched blocks", "device bytes", "smaller than f16");
  const rows = reports.map((report) => [
    report.read,
    percent(report.share),
    report.kl_mean.toFixed(5),
    report.kl_p99.toFixed(4),
    percent(report.same_top),
    report.perplexity.toFixed(3),
    ...(hasValues ? hostValueCells(report.host_values) : []),
  ]);
  return [
    `${positions} positions of ${texts.join(", ")} at ${tokens} tokens, ${profile}; against ` +
    `reading everything, perplexity ${perplexity_all.toFixed(3)}`,
    ...aligned([heads, ...rows], 1),
  ].join("\n");
}

function hostValueCells(values: ReadingReport["host_values"]): string[] {
  if (values === undefined) return ["", "", ""];
  const { fetched_blocks, device_bytes, f16_bytes } = values;
  return [
    fetched_blocks.toFixed(2),
    String(Math.round(device_bytes)),
    (f16_bytes / device_bytes).toFixed(2),
  ];
}

/** A line for each method: share read, what is found again. */
export function formatReadRetrieval(reports: readonly ReadRetrievalReport[]): string {
  const [{ documents, tokens, cases, profile }] = reports;
  const heads = ["read", "share", "found", "log-prob"];
  const rows = reports.map((report) => [
    report.read,
    percent(report.share),
    percent(report.exact_match),
    report.log_prob.toFixed(3),
  ]);
  return [
    `${cases} questions about ${documents} documents of ${tokens} tokens, ${profile}`,
    ...aligned([heads, ...rows], 1),
  ].join("\n");
}

/** A line for each choice: the share of attention that is kept, by budget. */
export function formatKeptAttention(reports: readonly KeptAttentionReport[]): string {
  const [{ text, tokens, kept }] = reports;
  const heads = ["choice", ...kept.map(({ tokens }) => `${tokens} tokens`)];
  const rows = reports.map((report) => [
    report.choice,
    ...report.kept.map(({ mean, worst_layer }) => `${percent(mean)} (${percent(worst_layer)})`),
  ]);
  return [
    `attention kept of ${text} at ${tokens} tokens, mean of the layers (and the worst of them)`,
    ...aligned([heads, ...rows], 1),
  ].join("\n");
}

/** A line for each choice: tokens that shares of the attention need, and those to be fetched. */
export function formatNeededTokens(reports: readonly NeededTokensReport[]): string {
  const [{ text, sealed, needed }] = reports;
  const heads = ["choice", ...needed.map(({ share }) => percent(share))];
  const rows = reports.map((report) => [
    report.choice,
    ...report.needed.map(({ tokens, worst_layer, fetched }) =>
      `${tokens.toFixed(0)} (${worst_layer.toFixed(0)}), ${fetched.toFixed(1)} new`
    ),
  ]);
  return [
    `tokens that a KV head needs of ${sealed} of ${text} for a share of the attention, mean of ` +
    "the layers (and the worst of them), and those that the query before did not need",
    ...aligned([heads, ...rows], 1),
  ].join("\n");
}
