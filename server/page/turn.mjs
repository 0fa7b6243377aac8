/** One turn: text, counts and speeds of a streamed answer, gathered as it arrives. */

/**
 * What is known of a turn; absent fields were not reported.
 *
 * @typedef {{
 *   promptCount?: number, completionCount?: number, totalCount?: number, cachedCount?: number,
 *   readCount?: number, readMs?: number, prefillPerSecond?: number, decodePerSecond?: number,
 *   kv?: { rawBytes: number, packedBytes: number, kept?: string | null },
 * }} Turn
 */

/** Gathers a turn from the events of its answer. */
export class TurnClock {
  /** @type {Turn} */
  turn = {};
  #firstTextMs = null;

  /** @param {import("./api.mjs").AnswerEvent} event @param {number} nowMs */
  take(event, nowMs) {
    const { turn } = this;
    if (event.type === "progress") {
      const freshCount = event.processed - event.cached;
      Object.assign(turn, {
        promptCount: event.total,
        readCount: event.processed,
        totalCount: event.processed,
        cachedCount: event.cached,
        readMs: event.ms,
      });
      if (event.ms > 0) turn.prefillPerSecond = freshCount / event.ms * 1000;
    } else if (event.type === "text") {
      this.#firstTextMs ??= nowMs;
    } else if (event.type === "usage") {
      this.#takeUsage(event.usage, nowMs);
    } else if (event.type === "finish" && event.timings !== null) {
      const { prompt_per_second: prefill, predicted_per_second: decode } = event.timings;
      if (prefill > 0) turn.prefillPerSecond = prefill;
      if (decode > 0) turn.decodePerSecond = decode;
      this.#firstTextMs = null;
    }
  }

  #takeUsage(usage, nowMs) {
    const { turn } = this;
    const { prompt_tokens: promptCount, completion_tokens: completionCount } = usage;
    const isReading = completionCount === 0 && turn.readCount < promptCount;
    turn.promptCount = promptCount;
    turn.completionCount = completionCount;
    if (!isReading) turn.totalCount = usage.total_tokens;
    const cachedCount = usage.prompt_tokens_details?.cached_tokens;
    if (typeof cachedCount === "number") turn.cachedCount = Math.max(cachedCount, 0);
    if (this.#firstTextMs === null || completionCount < 2) return;
    const elapsedMs = nowMs - this.#firstTextMs;
    if (elapsedMs > 200) turn.decodePerSecond = (completionCount - 1) / elapsedMs * 1000;
  }
}

/**
 * What a reading bar shows; null once the prompt is read, or nothing is known yet.
 *
 * @param {Turn} turn
 */
export function readingOf({ readCount, promptCount, cachedCount = 0, prefillPerSecond }) {
  if (readCount === undefined || readCount >= promptCount) return null;
  const leftCount = promptCount - readCount;
  const isFresh = readCount - cachedCount <= 0;
  const leftSeconds = isFresh || !prefillPerSecond ? null : leftCount / prefillPerSecond;
  return { readCount, promptCount, share: readCount / promptCount, leftSeconds };
}
