/**
 * Load on a running server: probe it, send a workload, sum up.
 *
 * @module
 */

import { StopReason } from "./client.ts";
import { planRequests, type Workload } from "./plan.ts";
import { probeServer, type ServerAddress } from "./probe.ts";
import type { PromptKind } from "./prompt.ts";
import { runLoad } from "./run_load.ts";
import { type LoadSummary, summarise } from "./summary.ts";

/** What {@link measureLoad} needs. */
export interface LoadOptions {
  server: ServerAddress;
  workload: Workload;
  /** Longest time of the whole run, probe included, in milliseconds. */
  timeoutMs: number;
  onProgress?: (message: string, fraction?: number) => void;
}

/** What was measured, and how it ended. */
export interface LoadReport {
  url: string;
  model: string;
  modelMeta: object | null;
  promptKind: PromptKind;
  /** Whether the server was asked not to end answers early. */
  ignoresEos: boolean;
  workload: Workload;
  startedAt: string;
  /** Why requests were left unsent or cut off; null if none were. */
  stoppedBy: StopReason["kind"] | null;
  unsentCount: number;
  summary: LoadSummary;
}

/**
 * Measures. Talks to the given server only.
 *
 * @throws {TypeError} If the URL is not one of HTTP.
 * @throws {LoadError} If the server cannot be measured; failures of single requests are counted.
 */
export async function measureLoad(options: LoadOptions): Promise<LoadReport> {
  const { server, workload, timeoutMs, onProgress } = options;
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(new StopReason("timeout")), timeoutMs);
  const signal = AbortSignal.any([server.signal, timeout.signal]);
  try {
    onProgress?.(`asking ${server.url} what it takes`);
    const { target, writer, modelMeta } = await probeServer({ ...server, signal });
    const plan = planRequests(workload);
    const startedAt = new Date().toISOString();
    const { shape, requestCount } = workload;
    const onEnded = (count: number) =>
      onProgress?.(`${count} of ${requestCount} requests`, count / requestCount);
    const outcomes = await runLoad({ target, writer, plan, shape, signal, onEnded });
    const unsentCount = requestCount - outcomes.length;
    const summary = summarise(outcomes);
    const isCut = unsentCount > 0 || signal.aborted && summary.failedCount > 0;
    return {
      url: target.baseUrl,
      model: target.model,
      modelMeta,
      promptKind: writer.kind,
      ignoresEos: target.ignoresEos,
      workload,
      startedAt,
      stoppedBy: isCut ? stopKind(signal) : null,
      unsentCount,
      summary,
    };
  } finally {
    clearTimeout(timer);
  }
}

function stopKind({ reason }: AbortSignal): StopReason["kind"] {
  return reason instanceof StopReason ? reason.kind : "interrupted";
}
