/**
 * A report as text.
 *
 * @module
 */

import type { LoadReport } from "./measure.ts";
import type { LoadShape } from "./plan.ts";
import type { Latency, LoadSummary } from "./summary.ts";

const LATENCIES = [
  ["time to first token", "timeToFirstToken"],
  ["inter-token", "interToken"],
  ["gap of chunks", "chunkGap"],
  ["end to end", "endToEnd"],
] as const;
const COLUMNS = ["mean", "p50", "p95", "p99", "max"] as const;
const LABEL_WIDTH = 20;
const VALUE_WIDTH = 10;

/** The report on several lines. */
export function formatLoadReport(report: LoadReport): string {
  const { url, model, promptKind, ignoresEos, workload, summary } = report;
  const prompts = promptKind === "text" ? "text prompts" : "token-id prompts";
  const lines = [
    `${model} at ${url}, ${prompts}${ignoresEos ? "" : ", answers may end early"}`,
    `${workload.requestCount} requests, ${describeShape(workload.shape)}, seed ${workload.seed}`,
    "",
    describeRequests(report),
    ...summary.failures.map(({ kind, count, message }) => `  ${count} x ${kind}: ${message}`),
    describeTokens(summary),
    describeRates(summary),
    "",
    "ms".padEnd(LABEL_WIDTH) + COLUMNS.map((name) => name.padStart(VALUE_WIDTH)).join(""),
    ...LATENCIES.map(([label, key]) => latencyLine(label, summary[key])),
  ];
  return lines.join("\n");
}

function describeShape(shape: LoadShape): string {
  return shape.type === "rate"
    ? `${shape.requestsPerSecond} a second at random times`
    : `${shape.concurrency} at a time`;
}

function describeRequests({ summary, unsentCount, stoppedBy }: LoadReport): string {
  const { completedCount, failedCount, durationSeconds } = summary;
  const unsent = unsentCount > 0 ? `, ${unsentCount} not sent` : "";
  const stopped = stoppedBy === null ? "" : ` (${stoppedBy})`;
  const seconds = durationSeconds.toFixed(2);
  return `requests  ${completedCount} completed, ${failedCount} failed${unsent}${stopped} ` +
    `in ${seconds} s`;
}

function describeTokens(summary: LoadSummary): string {
  const { promptTokenCount, cachedTokenCount, completionTokenCount } = summary;
  return `tokens    ${promptTokenCount} prompt (${cachedTokenCount} cached), ` +
    `${completionTokenCount} output`;
}

function describeRates(summary: LoadSummary): string {
  const { promptTokensPerSecond, completionTokensPerSecond, requestsPerSecond } = summary;
  return `rates     ${promptTokensPerSecond.toFixed(1)} prompt t/s, ` +
    `${completionTokensPerSecond.toFixed(1)} output t/s, ${
      requestsPerSecond.toFixed(2)
    } requests/s`;
}

function latencyLine(label: string, latency: Latency | null): string {
  const values = COLUMNS.map((name) => latency === null ? "-" : latency[name].toFixed(1));
  return label.padEnd(LABEL_WIDTH) + values.map((value) => value.padStart(VALUE_WIDTH)).join("");
}
