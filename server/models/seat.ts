/**
 * One of several models: loaded or not, who uses it and who waits for it.
 *
 * @module
 */

import { EngineError, invariant } from "../../src/core/errors.ts";
import type { ServedModel } from "../state.ts";
import type { ModelListing, ModelOutline, ModelStatus, ModelUse, NamedModel } from "./models.ts";

/** Requests that may wait for one model; more are refused. */
const WAITER_COUNT_MAX = 256;
/** Longest that unloading lets an engine write its blocks and free its device. */
const UNLOAD_MS_MAX = 30_000;

/** A model that can be loaded. */
export interface ModelSource {
  id: string;
  aliases: readonly string[];
  /** Milliseconds without a request after which it is unloaded; null for never. */
  ttlMs: number | null;
  /** What its file says; null if that is not on this machine yet. */
  outline(): Promise<ModelOutline | null>;
  load(onProgress: (message: string, fraction: number) => void): Promise<ServedModel>;
}

interface Waiter {
  resolve: (use: ModelUse) => void;
  reject: (error: unknown) => void;
}

/** Who hears what happens to seats. */
export interface SeatListener {
  /** Uses or waiters have become fewer, or the engine has failed. */
  changed(): void;
  /** A model is about to be unloaded. */
  unloading(model: NamedModel): Promise<void>;
}

/** The place of one model. */
export class Seat {
  readonly source: ModelSource;
  readonly #listener: SeatListener;
  #status: ModelStatus = "unloaded";
  #model: NamedModel | null = null;
  #failure: string | null = null;
  #activity = "";
  #useCount = 0;
  #waiters = new Set<Waiter>();
  /** Whether it takes no more requests, since it is to be unloaded. */
  isLeaving = false;
  /** When the last request began or ended, by the monotonic clock. */
  lastUsedMs = 0;
  /** Device bytes when it was loaded last; null if it never was. */
  deviceBytes: number | null = null;

  constructor(source: ModelSource, listener: SeatListener) {
    this.source = source;
    this.#listener = listener;
  }

  get id(): string {
    return this.source.id;
  }

  get status(): ModelStatus {
    return this.#status;
  }

  /** The model, if it is loaded and its engine works. */
  get model(): NamedModel | null {
    return this.#status === "loaded" ? this.#model : null;
  }

  /** Whether an engine holds memory. */
  get holdsMemory(): boolean {
    return this.#model !== null;
  }

  get isIdle(): boolean {
    return this.#useCount === 0;
  }

  get hasWaiters(): boolean {
    return this.#waiters.size > 0;
  }

  get activity(): string {
    return this.#activity;
  }

  set activity(activity: string) {
    this.#activity = activity;
  }

  /** As lists show it. */
  async listing(): Promise<ModelListing> {
    const { id, aliases } = this.source;
    const info = this.model?.engine.info ?? null;
    const outline = info === null ? await this.source.outline().catch(() => null) : null;
    return { id, aliases, status: this.#status, info, outline, failure: this.#failure };
  }

  /** Uses it at once; null if it has to be waited for. */
  take(): ModelUse | null {
    return this.isLeaving || this.model === null ? null : this.#use(this.model);
  }

  #use(model: NamedModel): ModelUse {
    this.#useCount++;
    this.lastUsedMs = performance.now();
    let hasEnded = false;
    return {
      model,
      end: () => {
        if (hasEnded) return;
        hasEnded = true;
        this.#useCount--;
        this.lastUsedMs = performance.now();
        this.#listener.changed();
      },
    };
  }

  /**
   * Waits for {@link grant} or {@link refuse}.
   *
   * @throws {EngineError} `queue_full` if too many wait, or the reason of `signal`.
   */
  wait(signal: AbortSignal): Promise<ModelUse> {
    if (this.#waiters.size >= WAITER_COUNT_MAX) {
      const state = `${WAITER_COUNT_MAX} requests wait for it`;
      throw new EngineError("queue_full", `Cannot wait for the model ${this.id}: ${state}`);
    }
    const { promise, resolve, reject } = Promise.withResolvers<ModelUse>();
    const waiter = { resolve, reject };
    this.#waiters.add(waiter);
    const leave = () => {
      if (!this.#waiters.delete(waiter)) return;
      reject(signal.reason);
      this.#listener.changed();
    };
    signal.addEventListener("abort", leave, { once: true });
    const stay = () => signal.removeEventListener("abort", leave);
    promise.then(stay, stay);
    return promise;
  }

  /** Gives the model to all who wait for it. */
  grant(): void {
    invariant(this.model !== null, "a model that is granted is loaded");
    for (const { resolve } of this.#waiters) resolve(this.#use(this.model));
    this.#waiters.clear();
  }

  /** Turns all away who wait for it. */
  refuse(error: unknown): void {
    for (const { reject } of this.#waiters) reject(error);
    this.#waiters.clear();
  }

  /** @throws {EngineError} Why it cannot be loaded; it is as before then, but for the reason. */
  async load(): Promise<void> {
    this.#status = "loading";
    try {
      const served = await this.source.load((message, fraction) => {
        this.#activity = `loading ${this.id}: ${message}, ${Math.floor(100 * fraction)} %`;
      });
      const model = this.#model = { ...served, id: this.id };
      this.deviceBytes = (await model.engine.stats()).deviceBytes;
      this.#status = "loaded";
      this.#failure = null;
      this.lastUsedMs = performance.now();
      model.engine.failed.then(({ code, message }) => this.#fail(model, `${code}: ${message}`));
    } catch (error) {
      await this.#end();
      this.#status = "failed";
      this.#failure = error instanceof Error ? error.message : String(error);
      throw error;
    }
  }

  #fail(model: NamedModel, reason: string): void {
    if (this.#model !== model || this.#status !== "loaded") return;
    console.error(
      `packkv: the engine of ${this.id} failed (${reason}); it is loaded anew if asked`,
    );
    this.#status = "failed";
    this.#failure = reason;
    this.#listener.changed();
  }

  /**
   * Ends its engine and frees the memory.
   *
   * @param isHurried Whether blocks that are not written yet may be given up.
   */
  async unload({ isHurried = false } = {}): Promise<void> {
    const model = this.#model;
    if (model === null) return;
    const wasLoaded = this.#status === "loaded";
    this.#status = "unloading"; // from now on nobody may take it
    if (wasLoaded) await this.#listener.unloading(model);
    await this.#end(isHurried ? undefined : UNLOAD_MS_MAX);
    this.#status = "unloaded";
    this.isLeaving = false;
  }

  async #end(limitMs?: number): Promise<void> {
    const model = this.#model;
    this.#model = null;
    model?.prompts.close();
    await model?.engine.close(limitMs);
  }
}
