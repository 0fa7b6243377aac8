/**
 * The numbers of a run: latencies by percentile, rates by the tokens that streams reported.
 *
 * @module
 */

import { percentile } from "../../../src/evaluation/divergence.ts";
import type { Completed, FailureKind, Outcome } from "./outcome.ts";

/** Values in milliseconds; a percentile is the smallest value that its share stays at or below. */
export interface Latency {
  count: number;
  mean: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** Failures of one kind. */
export interface FailureCount {
  kind: FailureKind;
  count: number;
  /** Of the first. */
  message: string;
}

/** The numbers. Latencies and tokens are of completed requests; null where there is no value. */
export interface LoadSummary {
  completedCount: number;
  failedCount: number;
  failures: FailureCount[];
  /** From the first request's start to the last one's end. */
  durationSeconds: number;
  promptTokenCount: number;
  /** Part of the prompt tokens that the server said it had cached. */
  cachedTokenCount: number;
  completionTokenCount: number;
  requestsPerSecond: number;
  promptTokensPerSecond: number;
  completionTokensPerSecond: number;
  /** From sending a request to its first text. */
  timeToFirstToken: Latency | null;
  /** Of each request: time from first to last text over the tokens after the first. */
  interToken: Latency | null;
  /** Between two chunks with text, of all requests; a chunk may bring several tokens. */
  chunkGap: Latency | null;
  /** From sending a request to the end of its answer. */
  endToEnd: Latency | null;
}

/** Sums a run up. */
export function summarise(outcomes: readonly Outcome[]): LoadSummary {
  const completed = outcomes.filter((outcome) => outcome.type === "completed");
  const sum = (field: "promptTokenCount" | "cachedTokenCount" | "completionTokenCount") =>
    completed.reduce((total, outcome) => total + outcome[field], 0);
  const durationSeconds = durationMs(outcomes) / 1000;
  const perSecond = (count: number) => durationSeconds > 0 ? count / durationSeconds : 0;
  const promptTokenCount = sum("promptTokenCount");
  const completionTokenCount = sum("completionTokenCount");
  return {
    completedCount: completed.length,
    failedCount: outcomes.length - completed.length,
    failures: countFailures(outcomes),
    durationSeconds,
    promptTokenCount,
    cachedTokenCount: sum("cachedTokenCount"),
    completionTokenCount,
    requestsPerSecond: perSecond(completed.length),
    promptTokensPerSecond: perSecond(promptTokenCount),
    completionTokensPerSecond: perSecond(completionTokenCount),
    timeToFirstToken: latencyOf(completed.flatMap(({ startMs, textTimesMs }) => {
      return textTimesMs.length === 0 ? [] : [textTimesMs[0] - startMs];
    })),
    interToken: latencyOf(completed.flatMap(interTokenMs)),
    chunkGap: latencyOf(completed.flatMap(({ textTimesMs }) => gapsOf(textTimesMs))),
    endToEnd: latencyOf(completed.map(({ startMs, endMs }) => endMs - startMs)),
  };
}

/** Null if there are no values. */
export function latencyOf(valuesMs: readonly number[]): Latency | null {
  if (valuesMs.length === 0) return null;
  const sorted = valuesMs.toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
    max: sorted[sorted.length - 1],
  };
}

function durationMs(outcomes: readonly Outcome[]): number {
  let begin = Infinity;
  let end = -Infinity;
  for (const { startMs, endMs } of outcomes) {
    begin = Math.min(begin, startMs);
    end = Math.max(end, endMs);
  }
  return outcomes.length === 0 ? 0 : end - begin;
}

function interTokenMs({ textTimesMs, completionTokenCount }: Completed): number[] {
  const first = textTimesMs.at(0);
  const last = textTimesMs.at(-1);
  if (first === undefined || last === undefined || completionTokenCount < 2) return [];
  return [(last - first) / (completionTokenCount - 1)];
}

function gapsOf(timesMs: readonly number[]): number[] {
  return timesMs.slice(1).map((timeMs, index) => timeMs - timesMs[index]);
}

function countFailures(outcomes: readonly Outcome[]): FailureCount[] {
  const byKind = new Map<FailureKind, FailureCount>();
  for (const outcome of outcomes) {
    if (outcome.type === "completed") continue;
    const { kind, message } = outcome;
    const found = byKind.get(kind);
    if (found) found.count++;
    else byKind.set(kind, { kind, count: 1, message });
  }
  return [...byKind.values()].sort((a, b) => b.count - a.count);
}
