/**
 * Several models on one device: loaded as requests ask for them, unloaded to make room for others
 * and when nobody has asked for a while. One is loaded or unloaded at a time, in the order in which
 * they are asked for, so that no model waits for ever for another one's requests to end.
 *
 * @module
 */

import { EngineError } from "../../src/core/errors.ts";
import { ApiError } from "../openai/errors.ts";
import {
  type ModelListing,
  modelNotFound,
  type Models,
  type ModelUse,
  type NamedModel,
} from "./models.ts";
import { type ModelSource, Seat } from "./seat.ts";

/** What loaded models may take together. */
export interface PoolLimits {
  /** Most models that are loaded at a time; null for as many as the memory has room for. */
  countMax: number | null;
  /** Most bytes of device memory that they take together; null for no limit but the device's. */
  memoryBytesMax: number | null;
}

type Job = { type: "load" | "unload" | "expire"; seat: Seat; done: PromiseWithResolvers<void> };

/** Failures of loading that other models' memory may be the reason of. */
const NO_ROOM = ["out_of_memory", "model_too_large"];

function isForRoom(error: unknown): boolean {
  return error instanceof EngineError && NO_ROOM.includes(error.code);
}

/** Loads and unloads {@link ModelSource}s. */
export class ModelPool implements Models {
  readonly areMany = true;
  readonly #limits: PoolLimits;
  readonly #seats: readonly Seat[];
  readonly #idByName = new Map<string, string>();
  readonly #jobs: Job[] = [];
  readonly #timers = new Map<Seat, ReturnType<typeof setTimeout>>();
  /** The job at hand and those behind it; null while there is none. */
  #working: Promise<void> | null = null;
  #isClosed = false;
  #change: PromiseWithResolvers<void> | null = null;
  onUnloading: Models["onUnloading"] = () => Promise.resolve();

  /** @throws {TypeError} If a name means two of them, or there is none. */
  constructor(sources: readonly ModelSource[], limits: PoolLimits) {
    if (sources.length === 0) throw new TypeError("Cannot serve models: there is none");
    this.#limits = limits;
    const listener = {
      changed: () => this.#changed(),
      unloading: (model: NamedModel) => this.onUnloading(model),
    };
    this.#seats = sources.map((source) => new Seat(source, listener));
    for (const { id, aliases } of sources) {
      for (const name of new Set([id, ...aliases])) {
        const other = this.#idByName.get(name);
        if (other !== undefined) {
          throw new TypeError(`Cannot serve models: both ${other} and ${id} are called ${name}`);
        }
        this.#idByName.set(name, id);
      }
    }
  }

  get ids(): readonly string[] {
    return this.#seats.map(({ id }) => id);
  }

  get loadedIds(): readonly string[] {
    return this.#seats.filter(({ model }) => model !== null).map(({ id }) => id);
  }

  async list(): Promise<ModelListing[]> {
    return await Promise.all(this.#seats.map((seat) => seat.listing()));
  }

  find(name: string | null): string {
    const { ids } = this;
    if (name === null || name === "") {
      if (ids.length === 1) return ids[0];
      const known = ids.map((each) => JSON.stringify(each)).join(", ");
      const message = `Cannot choose a model: name one of ${known}`;
      throw new ApiError(400, message, { param: "model", code: "missing_required_parameter" });
    }
    const id = this.#idByName.get(name);
    if (id === undefined) throw modelNotFound(name, [...this.#idByName.keys()]);
    return id;
  }

  #seatOf(id: string): Seat {
    return this.#seats.find((seat) => seat.id === id)!;
  }

  async use(id: string, signal: AbortSignal): Promise<ModelUse> {
    signal.throwIfAborted();
    if (this.#isClosed) throw closedError();
    const seat = this.#seatOf(id);
    clearTimeout(this.#timers.get(seat));
    const taken = seat.take();
    if (taken !== null) return taken;
    const waiting = seat.wait(signal);
    if (!this.#jobs.some((job) => job.seat === seat && job.type === "load")) {
      this.#enqueue("load", seat).catch(() => {}); // those who wait hear of it
    }
    return await waiting;
  }

  loaded(id: string): NamedModel {
    const { model, status } = this.#seatOf(id);
    if (model !== null) return model;
    const message = `Cannot answer: the model ${id} is ${status}; a request that needs it loads it`;
    throw new ApiError(503, message, { param: "model", code: "model_not_loaded" });
  }

  activityOf(id: string): string {
    const seat = this.#seatOf(id);
    return seat.status === "loading" ? seat.activity : `waiting for room to load ${id}`;
  }

  async unload(id: string): Promise<void> {
    await this.#enqueue("unload", this.#seatOf(id));
  }

  /** Ends all engines, within what closing takes by default, and turns away who waits. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    for (const seat of this.#seats) seat.refuse(closedError());
    this.#changed();
    await this.#working;
    await Promise.all(this.#seats.map((seat) => seat.unload({ isHurried: true })));
  }

  #enqueue(type: Job["type"], seat: Seat): Promise<void> {
    const job = { type, seat, done: Promise.withResolvers<void>() };
    this.#jobs.push(job);
    this.#working ??= this.#work();
    return job.done.promise;
  }

  async #work(): Promise<void> {
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      try {
        if (!this.#isClosed) await this.#do(job);
        job.done.resolve();
      } catch (error) {
        if (job.type === "load") job.seat.refuse(error);
        job.done.reject(error);
      }
    }
    this.#working = null;
  }

  async #do({ type, seat }: Job): Promise<void> {
    if (type === "load") return await this.#load(seat);
    if (type === "unload") return void await this.#empty([seat], () => true);
    if (seat.isIdle && !seat.hasWaiters) await seat.unload();
  }

  async #load(seat: Seat): Promise<void> {
    if (seat.model === null) {
      await seat.unload(); // what is left of an engine that failed
      while (seat.hasWaiters && !this.#isClosed) {
        // Before its first time nobody knows what it takes: at most all that there is.
        const needed = seat.deviceBytes ?? this.#limits.memoryBytesMax ?? 0;
        if (!await this.#makeRoom(seat, needed)) break;
        if (await this.#loadOrMakeRoom(seat)) break;
      }
    }
    if (seat.model !== null && this.#isClosed) await seat.unload();
    else if (seat.model !== null) seat.grant();
  }

  /** False if another model has been unloaded, so that it can be tried again. */
  async #loadOrMakeRoom(seat: Seat): Promise<boolean> {
    const others = () => this.#seats.filter((each) => each !== seat && each.holdsMemory);
    try {
      seat.activity = `loading ${seat.id}`;
      await seat.load();
    } catch (error) {
      if (!isForRoom(error) || others().length === 0) throw error;
      const count = others().length;
      return !await this.#empty(others(), () => others().length < count, seat);
    }
    const { memoryBytesMax } = this.#limits;
    if (memoryBytesMax !== null && seat.deviceBytes! > memoryBytesMax) {
      await seat.unload();
      throw new EngineError(
        "model_too_large",
        `Cannot serve the model ${seat.id}: it takes ${seat.deviceBytes} bytes of device memory, ` +
          `and --models-memory is ${memoryBytesMax}; give it a smaller --ctx or --kv-memory`,
      );
    }
    if (!await this.#makeRoom(seat, seat.deviceBytes!)) await seat.unload();
    return true;
  }

  /** Unloads others until `seat` fits beside the rest; false if nobody waits for it any more. */
  async #makeRoom(seat: Seat, neededBytes: number): Promise<boolean> {
    const { countMax, memoryBytesMax } = this.#limits;
    const others = () => this.#seats.filter((each) => each !== seat && each.holdsMemory);
    const fits = () => {
      const bytes = others().reduce((sum, each) => sum + each.deviceBytes!, neededBytes);
      return others().length < (countMax ?? Infinity) && bytes <= (memoryBytesMax ?? Infinity);
    };
    while (!fits() && others().length > 0) {
      const count = others().length;
      if (!await this.#empty(others(), () => others().length < count, seat)) return false;
    }
    return true;
  }

  /**
   * Unloads one of some seats: of the idle ones that which was used longest ago. While none is
   * idle, that which was used longest ago takes no more requests.
   *
   * @param forSeat Ends it when nobody waits for this one any more.
   * @returns Whether `isDone` holds.
   */
  async #empty(seats: readonly Seat[], isDone: () => boolean, forSeat?: Seat): Promise<boolean> {
    const byAge = () => seats.toSorted((a, b) => a.lastUsedMs - b.lastUsedMs);
    const [oldest] = byAge();
    while (!this.#isClosed && (forSeat === undefined || forSeat.hasWaiters)) {
      const idle = byAge().find((seat) => seat.isIdle);
      if (idle !== undefined) {
        await idle.unload();
        this.#stay(oldest);
        return isDone();
      }
      oldest.isLeaving = true;
      await (this.#change ??= Promise.withResolvers<void>()).promise;
    }
    this.#stay(oldest);
    return false;
  }

  /** A seat that has been spared takes requests again. */
  #stay(seat: Seat): void {
    seat.isLeaving = false;
    if (seat.model !== null) seat.grant();
  }

  #changed(): void {
    this.#change?.resolve();
    this.#change = null;
    for (const seat of this.#seats) this.#watchIdle(seat);
  }

  #watchIdle(seat: Seat): void {
    clearTimeout(this.#timers.get(seat));
    const { ttlMs } = seat.source;
    if (ttlMs === null || seat.model === null || !seat.isIdle || this.#isClosed) return;
    const restMs = Math.max(0, seat.lastUsedMs + ttlMs - performance.now());
    const timer = setTimeout(() => this.#enqueue("expire", seat), restMs);
    Deno.unrefTimer(timer);
    this.#timers.set(seat, timer);
  }
}

function closedError(): EngineError {
  return new EngineError("shutting_down", "Cannot answer: the server is shutting down");
}
