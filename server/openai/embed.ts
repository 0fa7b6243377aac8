/**
 * A prompt as one vector of length 1.
 *
 * @module
 */

import { invariant } from "../../src/core/errors.ts";
import type { Engine, GenerateEvent, Pooling } from "../../src/engine/types.ts";
import type { GenerationObserver } from "./generation/observer.ts";
import { Progress } from "./generation/progress.ts";

/** The same direction with length 1; a vector of zeros stays. */
export function ofUnitLength(values: Float32Array): Float32Array {
  const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return length === 0 ? values : values.map((value) => value / length);
}

type FinishEvent = Extract<GenerateEvent, { type: "finish" }>;

function timingsOf({ timings, ...counts }: FinishEvent) {
  const { promptTokenCount, cachedTokenCount } = counts;
  const none = { completionTokenCount: 0, reasoningTokenCount: 0 };
  return { promptTokenCount, cachedTokenCount, ...none, ...timings };
}

/**
 * Reads a prompt and yields its vector, once.
 *
 * @throws {EngineError} What the engine throws, or the reason of `signal`.
 */
export async function* embed(
  engine: Engine,
  { promptIds, pooling }: { promptIds: readonly number[]; pooling: Pooling },
  { signal, observer }: { signal: AbortSignal; observer: GenerationObserver },
): AsyncGenerator<Float32Array> {
  const progress = new Progress(promptIds.length);
  let vector: Float32Array | null = null;
  try {
    for await (const event of engine.generate({ promptIds, maxTokens: 0, pooling, signal })) {
      if (event.type === "prefill") progress.notePrefill(event);
      if (event.type === "embedding") vector = ofUnitLength(event.values);
      if (event.type !== "finish") continue;
      observer.finished(event.reason, progress.elapsedMs, timingsOf(event));
    }
    signal.throwIfAborted();
  } catch (error) {
    const cause = signal.aborted ? signal.reason : error;
    observer.failed(cause, progress.timings());
    throw cause;
  }
  invariant(vector !== null, "a prompt that is read whole has a vector");
  yield vector;
}
