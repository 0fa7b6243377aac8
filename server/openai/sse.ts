/**
 * Server-sent events: an answer that comes in frames.
 *
 * @module
 */

import { toErrorAnswer } from "./errors.ts";

const PING_FRAME = ": ping\n\n";

/** How a stream is kept alive and ended. */
export interface SseOptions {
  /** A comment is sent after this many milliseconds without a frame. */
  pingIntervalMs: number;
  /** Called once if the client goes before the end. */
  onCancel: () => void;
  /** Sent when there is no other frame; a comment if left out. */
  pingFrame?: string;
  /** Frames that report a failure; one with `error` if left out. */
  toErrorFrames?: (error: unknown) => string;
}

/** A frame that carries `value` as JSON. */
export function toFrame(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function toErrorFrame(error: unknown): string {
  return toFrame(toErrorAnswer(error).body);
}

/** What {@link nextOrQuiet} gives when nothing came. */
export const QUIET: unique symbol = Symbol("nothing in time");

/** What `next` resolves to, or {@link QUIET} if it takes longer. */
export async function nextOrQuiet<T>(
  next: Promise<T>,
  timeoutMs: number,
): Promise<T | typeof QUIET> {
  const { promise, resolve } = Promise.withResolvers<typeof QUIET>();
  const timer = setTimeout(() => resolve(QUIET), timeoutMs);
  try {
    return await Promise.race([next, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Answers with `frames` as they come.
 *
 * The answer begins with the first frame or the first ping, so that an early error can still be an
 * answer of its own. A later one becomes frames that report it, after which the stream ends.
 *
 * @throws The error of `frames`, if it comes before the answer began.
 */
export async function answerSse(
  frames: AsyncGenerator<string>,
  { pingIntervalMs, onCancel, toErrorFrames = toErrorFrame, pingFrame = PING_FRAME }: SseOptions,
): Promise<Response> {
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<string>> | null = frames.next();
  let first: IteratorResult<string> | typeof QUIET | null = await nextOrQuiet(next, pingIntervalMs);
  let isCancelled = false;

  async function pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    try {
      next ??= frames.next();
      const result = first ?? await nextOrQuiet(next, pingIntervalMs);
      first = null;
      if (isCancelled) return;
      if (result === QUIET) return controller.enqueue(encoder.encode(pingFrame));
      next = null;
      if (result.done) return controller.close();
      controller.enqueue(encoder.encode(result.value));
    } catch (error) {
      if (isCancelled) return;
      controller.enqueue(encoder.encode(toErrorFrames(error)));
      controller.close();
    }
  }

  function cancel(): void {
    isCancelled = true;
    onCancel();
    // Not awaited: the generator may be waiting for a step that is still running.
    frames.return(undefined).catch(() => {});
  }

  // No high-water mark: a frame is made when the one before it is taken.
  const body = new ReadableStream({ pull, cancel }, { highWaterMark: 0 });
  return new Response(body, {
    headers: {
      "Content-Type": "text/event-stream; charset=utf-8",
      // "no-transform" keeps Deno and proxies from compressing, which would hold frames back.
      "Cache-Control": "no-cache, no-transform",
      "X-Accel-Buffering": "no",
    },
  });
}
