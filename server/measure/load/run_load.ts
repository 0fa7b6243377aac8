/**
 * Sending a plan's requests: at their times, or so many at a time.
 *
 * @module
 */

import { complete, type Target } from "./client.ts";
import type { Outcome } from "./outcome.ts";
import type { LoadShape, PlannedRequest } from "./plan.ts";
import { type PromptWriter, writePrompt } from "./prompt.ts";

/** What {@link runLoad} needs. */
export interface LoadRun {
  target: Target;
  writer: PromptWriter;
  plan: readonly PlannedRequest[];
  shape: LoadShape;
  /** Ends the run; requests in flight fail with its kind, others are not sent. */
  signal: AbortSignal;
  /** Called after each request with how many have ended. */
  onEnded?: (endedCount: number) => void;
}

/** Sends all requests; outcomes are in the order in which they ended. Never rejects. */
export async function runLoad(run: LoadRun): Promise<Outcome[]> {
  const { shape, plan, signal } = run;
  const outcomes: Outcome[] = [];
  const sendOne = async ({ drawPrompt, outputTokenCount }: PlannedRequest) => {
    const prompt = writePrompt(drawPrompt(), run.writer);
    const call = { prompt, outputTokenCount, signal };
    outcomes.push(await complete(run.target, call));
    run.onEnded?.(outcomes.length);
  };
  if (shape.type === "rate") await sendAtTimes(plan, sendOne, signal);
  else await sendSideBySide(plan, sendOne, { signal, concurrency: shape.concurrency });
  return outcomes;
}

type SendOne = (request: PlannedRequest) => Promise<void>;

async function sendSideBySide(
  plan: readonly PlannedRequest[],
  sendOne: SendOne,
  { concurrency, signal }: { concurrency: number; signal: AbortSignal },
): Promise<void> {
  const waiting = plan.values();
  const lane = async () => {
    for (const request of waiting) {
      if (signal.aborted) return;
      await sendOne(request);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, plan.length) }, lane));
}

async function sendAtTimes(
  plan: readonly PlannedRequest[],
  sendOne: SendOne,
  signal: AbortSignal,
): Promise<void> {
  const startMs = performance.now();
  const inFlight: Promise<void>[] = [];
  for (const request of plan) {
    await waitUntil(startMs + request.arrivalMs, signal);
    if (signal.aborted) break;
    inFlight.push(sendOne(request));
  }
  await Promise.all(inFlight);
}

/** Waits for a time of `performance.now()`, or for `signal`. */
async function waitUntil(timeMs: number, signal: AbortSignal): Promise<void> {
  const waitMs = timeMs - performance.now();
  if (waitMs <= 0 || signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const onAbort = () => resolve();
  const timer = setTimeout(resolve, waitMs);
  signal.addEventListener("abort", onAbort, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", onAbort);
}
