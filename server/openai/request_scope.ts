/**
 * From the moment a request is understood to the end of its answer.
 *
 * @module
 */

import { EngineError } from "../../src/core/errors.ts";
import type { RequestWatch } from "../request_watch.ts";
import type { ServerState } from "../state.ts";

/** A request that is being answered. */
export interface RequestScope {
  /** Aborts when the client goes, at the deadline, and when the server stops. */
  signal: AbortSignal;
  /** Ends all generations because the client is gone. */
  clientGone: () => void;
  /** The answer is over: everything that belongs to it has ended. */
  end: () => void;
}

/** Begins to answer. */
export function openScope(
  state: ServerState,
  { clientSignal, watch }: { clientSignal: AbortSignal; watch: RequestWatch },
): RequestScope {
  const controller = new AbortController();
  const clientGone = () => {
    controller.abort(new EngineError("aborted", "Cannot go on: the client is gone"));
  };
  const release = state.track(controller, watch.elapsedMs);
  watch.begin();
  clientSignal.addEventListener("abort", clientGone, { once: true });
  if (clientSignal.aborted) clientGone();
  const end = () => {
    clientSignal.removeEventListener("abort", clientGone);
    release();
    clientGone();
    watch.end();
  };
  return { signal: controller.signal, clientGone, end };
}
