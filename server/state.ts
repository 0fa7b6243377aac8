/**
 * What the server can do at this moment: the one value that loading, failing and stopping change
 * and that every request reads.
 *
 * @module
 */

import { EngineError, type EngineErrorCode } from "../src/core/errors.ts";
import type { Engine } from "../src/engine/types.ts";
import type { ChatTemplate, Tokenizer } from "../src/tokenizer/types.ts";

/** A loaded model and all that is needed to answer with it. */
export interface ServedModel {
  engine: Engine;
  tokenizer: Tokenizer;
  chatTemplate: ChatTemplate;
}

/** Where the server is in its life. `failed` and `stopping` are final. */
export type ServerPhase =
  | { name: "loading" }
  | { name: "ready"; model: ServedModel }
  | { name: "failed"; code: EngineErrorCode; message: string }
  | { name: "stopping" };

/** Holds the {@link ServerPhase} and the requests in flight. */
export class ServerState {
  #phase: ServerPhase = { name: "loading" };
  readonly #inFlight = new Set<AbortController>();

  /** The phase in force. */
  get phase(): ServerPhase {
    return this.#phase;
  }

  /** Requests now generating. */
  get inFlightCount(): number {
    return this.#inFlight.size;
  }

  /** Loading is done: requests are answered with `model` until its engine fails. */
  setReady(model: ServedModel): void {
    if (this.#phase.name !== "loading") return;
    this.#phase = { name: "ready", model };
    model.engine.failed.then(({ code, message }) => this.setFailed(code, message));
  }

  /** Loading or the engine failed: every later request gets 503 with this reason. */
  setFailed(code: EngineErrorCode, message: string): void {
    if (this.#phase.name === "stopping") return;
    this.#phase = { name: "failed", code, message };
  }

  /** Refuses later requests and ends those in flight with `shutting_down`. */
  stop(): void {
    this.#phase = { name: "stopping" };
    const reason = new EngineError("shutting_down", "Cannot go on: the server is shutting down");
    for (const controller of this.#inFlight) controller.abort(reason);
  }

  /** Counts a request as in flight, for {@link stop} to end; call the result when it is over. */
  track(controller: AbortController): () => void {
    this.#inFlight.add(controller);
    return () => this.#inFlight.delete(controller);
  }
}
