/**
 * A request and the model that it needs: loaded if it must be, kept until the request is over.
 *
 * @module
 */

import type { Context } from "hono";
import { EngineError, invariant } from "../../src/core/errors.ts";
import { ApiError } from "../openai/errors.ts";
import type { RouteContext } from "../openai/route_context.ts";
import { answerSse, nextOrQuiet, QUIET } from "../openai/sse.ts";
import { type RequestWatch, watchOf } from "../request_watch.ts";
import { WARNING_HEADER } from "../warnings.ts";
import { type ModelUse, type NamedModel, refuseWhenStopping } from "./models.ts";

/** A stream says what it waits for after this long, and then as often. */
const COMMENT_INTERVAL_MS = 1000;

/** A request that needs a model. */
export interface ModelAsk {
  routes: RouteContext;
  context: Context;
  /** As the request names it; null if it does not. */
  name: string | null;
  /** Whether the answer is a stream, which begins with comments if its model is not there. */
  streams?: boolean;
  /** Frames that report a failure in such a stream; OpenAI's if left out. */
  toErrorFrames?: (error: unknown) => string;
}

type Run = (model: NamedModel) => Promise<Response>;

function codeOf(error: unknown): string | null {
  return error instanceof ApiError || error instanceof EngineError ? error.code : "internal_error";
}

/** A signal that ends waiting, and the ends of it. */
function openWait({ routes, context }: ModelAsk, watch: RequestWatch) {
  const controller = new AbortController();
  const leave = () => controller.abort(new EngineError("aborted", "Cannot go on: it is not read"));
  const end = routes.state.track(controller, watch.elapsedMs);
  const { signal } = context.req.raw;
  signal.addEventListener("abort", leave, { once: true });
  if (signal.aborted) leave();
  return {
    signal: controller.signal,
    leave,
    end() {
      signal.removeEventListener("abort", leave);
      end();
    },
  };
}

/**
 * Answers with a loaded model.
 *
 * @throws {ApiError | EngineError} What `run` throws, or why there is no model, unless a stream has
 * begun.
 */
export async function withModel(ask: ModelAsk, run: Run): Promise<Response> {
  const { routes: { models, state }, context, name, streams = false } = ask;
  const id = models.find(name);
  refuseWhenStopping(state);
  const watch = watchOf(context);
  watch.choose(id);
  const wait = openWait(ask, watch);
  const using = models.use(id, wait.signal);
  let isLate = false;
  try {
    const use = streams ? await nextOrQuiet(using, COMMENT_INTERVAL_MS) : await using;
    isLate = use === QUIET;
    if (use === QUIET) return await answerLate({ ...ask, id, using, wait }, run);
    watch.whenOver(use.end);
    wait.end();
    return await run(use.model);
  } finally {
    if (!isLate) wait.end();
  }
}

/** A stream that has to wait for its model: comments, then the answer's own frames. */
async function answerLate(
  { routes, context, toErrorFrames, id, using, wait }: ModelAsk & {
    id: string;
    using: Promise<ModelUse>;
    wait: ReturnType<typeof openWait>;
  },
  run: Run,
): Promise<Response> {
  const { models, pingIntervalMs } = routes;
  const watch = watchOf(context);
  let cancelAnswer = () => {};
  watch.begin();

  async function* frames(): AsyncGenerator<string> {
    try {
      let use = await nextOrQuiet(using, 0);
      for (; use === QUIET; use = await nextOrQuiet(using, COMMENT_INTERVAL_MS)) {
        yield `: ${models.activityOf(id)}\n\n`;
      }
      wait.signal.throwIfAborted();
      wait.end();
      const answer = await run(use.model);
      const warnings = answer.headers.get(WARNING_HEADER);
      if (warnings !== null) yield `: ${warnings}\n\n`;
      invariant(answer.body !== null, "a stream has a body");
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      cancelAnswer = () => void reader.cancel().catch(() => {});
      for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
    } catch (error) {
      watch.note(codeOf(error));
      throw error;
    } finally {
      using.then((use) => watch.whenOver(use.end), () => {});
      wait.end();
      watch.end();
    }
  }

  return await answerSse(frames(), {
    // The answer's own pings are more frequent.
    pingIntervalMs: 2 * pingIntervalMs,
    onCancel() {
      wait.leave();
      cancelAnswer();
    },
    ...(toErrorFrames === undefined ? {} : { toErrorFrames }),
  });
}
