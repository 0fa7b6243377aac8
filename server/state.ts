/**
 * The server's phase: the one value that loading, failing and stopping change and every request
 * reads.
 *
 * @module
 */

import { EngineError, type EngineErrorCode } from "../src/core/errors.ts";
import type { Engine } from "../src/engine/types.ts";
import type { PromptReader } from "../src/tokenizer/prompt_reader.ts";
import type { Conversations } from "./replay/conversations.ts";
import type { ChatTemplate, Tokenizer } from "../src/tokenizer/types.ts";

/** A loaded model and all that is needed to answer with it. */
export interface ServedModel {
  engine: Engine;
  tokenizer: Tokenizer;
  chatTemplate: ChatTemplate;
  /** Reads prompts of requests, however long, while others are answered. */
  prompts: PromptReader;
  /** How conversations are kept from being read twice; not at all if left out. */
  conversations?: Conversations;
}

/**
 * Where the server is in its life. `failed` and `stopping` are final; `open` is one of several
 * models, which are loaded as they are asked for.
 */
export type ServerPhase =
  | { name: "loading" }
  | { name: "open" }
  | { name: "ready"; model: ServedModel }
  | { name: "failed"; code: EngineErrorCode; message: string }
  | { name: "stopping" };

/** Longest a request may take if nothing else is asked for: an hour. */
export const REQUEST_LIMIT_MS_DEFAULT = 3_600_000;

/** How long the server waits for requests. */
export interface ServerTimes {
  /** Milliseconds from its arrival after which a request is ended; an hour if left out. */
  requestLimitMs?: number;
  /** Longest that shutting down lets requests in flight go on; 0 if left out. */
  drainLimitMs?: number;
}

/** Holds the {@link ServerPhase} and the requests in flight. */
export class ServerState {
  #phase: ServerPhase = { name: "loading" };
  readonly #inFlight = new Set<AbortController>();
  /** Milliseconds from its arrival after which a request is ended. */
  readonly requestLimitMs: number;
  /** Longest that shutting down lets requests in flight go on. */
  readonly drainLimitMs: number;
  /** Called when the last request in flight is over. */
  #onIdle: (() => void) | null = null;

  constructor({ requestLimitMs, drainLimitMs }: ServerTimes = {}) {
    this.requestLimitMs = requestLimitMs ?? REQUEST_LIMIT_MS_DEFAULT;
    this.drainLimitMs = drainLimitMs ?? 0;
  }

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

  /** Requests are answered with models of their choice. */
  setOpen(): void {
    if (this.#phase.name === "loading") this.#phase = { name: "open" };
  }

  /** Loading or the engine failed: every later request gets 503 with this reason. */
  setFailed(code: EngineErrorCode, message: string): void {
    if (this.#phase.name === "stopping") return;
    this.#phase = { name: "failed", code, message };
  }

  /**
   * Refuses later requests and lets those in flight go on. Resolves when there are none any more,
   * or after `limitMs`.
   */
  async drain(limitMs: number): Promise<void> {
    this.#phase = { name: "stopping" };
    if (this.#inFlight.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    const timer = setTimeout(resolve, limitMs);
    await promise;
    clearTimeout(timer);
  }

  /** Refuses later requests and ends those in flight with `shutting_down`. */
  stop(): void {
    this.#phase = { name: "stopping" };
    const reason = new EngineError("shutting_down", "Cannot go on: the server is shutting down");
    for (const controller of this.#inFlight) controller.abort(reason);
  }

  /**
   * Counts a request as in flight, for {@link stop} and its deadline to end; call the result when
   * it is over.
   *
   * @param elapsedMs Since it arrived.
   */
  track(controller: AbortController, elapsedMs: number): () => void {
    this.#inFlight.add(controller);
    const timer = setTimeout(() => {
      const message = `Cannot go on: the request took more than ${this.requestLimitMs / 1000} s`;
      controller.abort(new EngineError("deadline_exceeded", message));
    }, Math.max(0, this.requestLimitMs - elapsedMs));
    Deno.unrefTimer(timer);
    return () => {
      clearTimeout(timer);
      this.#inFlight.delete(controller);
      if (this.#inFlight.size === 0) this.#onIdle?.();
    };
  }
}
