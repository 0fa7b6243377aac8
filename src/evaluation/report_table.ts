/**
 * Reports as tables for people.
 *
 * @module
 */

import { aligned, percent } from "./aligned.ts";
import type { AllIn } from "./all_in.ts";
import type { ContextReport, EvalReport } from "./report.ts";

/** One report on several lines if it is alone and of one context, else a line for each. */
export function formatReports(reports: readonly EvalReport[]): string {
  const [only] = reports;
  if (reports.length === 1 && only.contexts.length === 1) return formatReport(only);
  return formatComparison(reports);
}

function formatReport(report: EvalReport): string {
  const { bits, bytes } = report;
  const rows: [string, string][] = [
    ["text", report.text],
    ["profile", report.profile],
    ["tokens", `${report.tokens}, ${report.positions} compared from ${report.from} on`],
    ["mean KL to exact", report.kl_mean.toFixed(4)],
    ["KL, 50 / 99 / 99.9%", percentiles(report).join(" / ")],
    ["same top token", `${(100 * report.same_top).toFixed(1)}%`],
    [
      "perplexity",
      `${report.ppl.toFixed(3)} (exact ${report.ppl_exact.toFixed(3)}, ratio ${
        report.ppl_ratio.toFixed(4)
      })`,
    ],
    ["times smaller", report.ratio.toFixed(2)],
    ["bits per element", `K ${bits.k.toFixed(2)}, V ${bits.v.toFixed(2)}`],
    ...(["raw", "payload", "packed"] as const).map((name): [string, string] => [
      `bytes ${name}`,
      `${bytes[name]} (K ${Math.round(bytes.k[name])}, V ${Math.round(bytes.v[name])})`,
    ]),
    ["bytes allocated", report.by_construction ? "by construction" : String(bytes.allocated)],
    ...fallbackRows(report),
    ["times smaller all in", report.all_in.map(allInWords).join(", ") || "nothing sealed"],
    ["worst token", worstWords(report)],
    ["raw beside blocks", `window ${report.window_bytes}, sinks ${report.sinks.bytes} bytes`],
  ];
  return rows.map(([name, value]) => `${name.padEnd(20)} ${value}`).join("\n");
}

function fallbackRows({ fallback_share: share }: ContextReport): [string, string][] {
  return share === undefined ? [] : [["blocks fallen back", percent(share)]];
}

function allInWords({ tokens, ratio }: AllIn): string {
  return `${ratio.toFixed(2)} at ${tokens}`;
}

function worstWords({ worst: { position, kl, before, next } }: EvalReport): string {
  const quote = before === null ? "" : `: ${JSON.stringify(before)} before ${JSON.stringify(next)}`;
  return `${position}, KL ${kl.toFixed(3)}${quote}`;
}

/** Tokens of the context whose ratio all in is a column. */
const ALL_IN_COLUMN = 8192;

const HEADS = [
  "text",
  "codec",
  "tokens",
  "smaller",
  "all in 8K",
  "K bits",
  "V bits",
  "KL",
  "KL 50%",
  "99%",
  "99.9%",
  "same top",
  "ppl ratio",
];

function formatComparison(reports: readonly EvalReport[]): string {
  const tellsFallback = reports.some(({ fallback_share }) => fallback_share !== undefined);
  const fallback = (cell: string) => tellsFallback ? [cell] : [];
  const rows = reports.flatMap((report) =>
    report.contexts.map((context) => [
      report.text,
      report.codec,
      ...contextCells(context, report.all_in),
      ...fallback(context.fallback_share === undefined ? "" : percent(context.fallback_share)),
    ])
  );
  return aligned([[...HEADS, ...fallback("fell back")], ...rows], 2).join("\n");
}

function contextCells(context: ContextReport, allIn: readonly AllIn[]): string[] {
  return [
    String(context.tokens),
    context.ratio.toFixed(2),
    allIn.find(({ tokens }) => tokens === ALL_IN_COLUMN)?.ratio.toFixed(2) ?? "",
    context.bits.k.toFixed(2),
    context.bits.v.toFixed(2),
    context.kl_mean.toFixed(5),
    ...percentiles(context),
    `${(100 * context.same_top).toFixed(2)}%`,
    context.ppl_ratio.toFixed(4),
  ];
}

function percentiles(context: ContextReport): string[] {
  return [context.kl_p50, context.kl_p99, context.kl_p999].map((kl) => kl.toFixed(4));
}
