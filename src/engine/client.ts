/**
 * The main thread's face of the engine: starts the GPU worker, turns its messages into async
 * iterables, and reports the failure that ends it.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { type GgufFile, readGguf } from "../gguf/read_gguf.ts";
import { readVocabulary } from "../tokenizer/vocabulary.ts";
import { calibrationSource, fileOwner, keepCalibration } from "../runtime/calibration_source.ts";
import { EventQueue } from "./event_queue.ts";
import { GrammarPool, type GrammarSession } from "../grammar/pool.ts";
import { findSharedLayers } from "../runtime/layer_map.ts";
import { readShare } from "../runtime/share.ts";
import type { LoadOptions } from "../runtime/types.ts";
import type { BlockEvent } from "../scheduler/block_events.ts";
import { type FileOptions, loadOptions } from "./load_options.ts";
import type { FailureMessage, FromWorker, ToWorker } from "./messages.ts";
import { toGenerateMessage, validateRequest } from "./request.ts";
import type {
  Engine,
  EngineInfo,
  EngineOptions,
  EngineStats,
  GenerateEvent,
  GenerateRequest,
  SlotAction,
  SlotInfo,
  SlotOutcome,
} from "./types.ts";

const TIERS_LIMIT_MS = 1500;

/**
 * Loads a model in a GPU worker of its own.
 *
 * @throws {EngineError} What stopped it: `adapter_missing`, `model_file_invalid`,
 * `model_unsupported`, `model_too_large`, `out_of_memory`, `gpu_validation`.
 * @throws {RangeError} If an option is out of its range.
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const asked = loadOptions(options); // before anything is read
  return await startEngine(await readGguf(options.modelPath), options, asked);
}

/** As {@link createEngine}, of a file whose header has been read. */
export async function createEngineOf(file: GgufFile, options: FileOptions): Promise<Engine> {
  return await startEngine(file, options, loadOptions(options));
}

async function startEngine(
  file: GgufFile,
  options: FileOptions,
  asked: ReturnType<typeof loadOptions>,
): Promise<Engine> {
  const { metadata, ...header } = file;
  const vocabulary = readVocabulary(metadata, file.tensors);
  const load: LoadOptions = {
    ...asked,
    header: { ...header, metadata: metadata.valuesWithout("tokenizer.") },
    eosIds: vocabulary.eosIds,
    calibration: await calibrationSource(file, asked.profile),
    sharedLayers: await sharedLayersOf(file, options.share),
  };
  const grammars = new GrammarPool(vocabulary);
  const keep = (bytes: Uint8Array) => keepCalibration(file, bytes);
  const { onProgress = () => {}, onBlockEvents = () => {} } = options;
  const engine = new WorkerEngine({ grammars, keep, onProgress, onBlockEvents });
  try {
    await engine.load(load);
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

/** Reads which layers share, for a text that asks. */
async function sharedLayersOf(
  file: GgufFile,
  text: string | undefined,
): Promise<LoadOptions["sharedLayers"]> {
  const layers = text === undefined ? null : readShare(text).layers;
  if (layers === null) return [];
  const mapped = await findSharedLayers(layers, fileOwner(file));
  return mapped.map(({ layer, source }) => ({ layer, source }));
}

class WorkerEngine implements Engine {
  #worker: Worker;
  #grammars: GrammarPool;
  #onProgress: (message: string, fraction: number) => void;
  #onBlockEvents: (events: readonly BlockEvent[]) => void;
  /** Keeps a calibration; resolves to its path. */
  #keep: (calibration: Uint8Array) => Promise<string>;
  #info: EngineInfo | null = null;
  #sequences = new Map<number, EventQueue<GenerateEvent>>();
  #asked = new Map<
    number,
    { resolve: (answer: unknown) => void; reject: (error: Error) => void }
  >();
  #nextId = 1;
  #ready = Promise.withResolvers<void>();
  #failed = Promise.withResolvers<FailureMessage>();
  #closed = Promise.withResolvers<void>();
  #closing: Promise<void> | null = null;
  #failure: FailureMessage | null = null;

  constructor(
    parts: {
      grammars: GrammarPool;
      keep: (calibration: Uint8Array) => Promise<string>;
      onProgress: (message: string, fraction: number) => void;
      onBlockEvents: (events: readonly BlockEvent[]) => void;
    },
  ) {
    const { grammars, keep, onProgress, onBlockEvents } = parts;
    this.#onBlockEvents = onBlockEvents;
    this.#grammars = grammars;
    this.#onProgress = onProgress;
    this.#keep = keep;
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail({
        code: "device_lost",
        message: `GPU worker ended: ${event.message}`,
        param: null,
      });
      this.#closed.resolve();
    };
  }

  get info(): EngineInfo {
    if (this.#info === null) throw new TypeError("Cannot read the engine's info: it is loading");
    return this.#info;
  }

  get failed(): Promise<FailureMessage> {
    return this.#failed.promise;
  }

  async load(options: LoadOptions): Promise<void> {
    this.#send({ type: "load", options });
    await this.#ready.promise;
  }

  async *generate(request: GenerateRequest): AsyncIterable<GenerateEvent> {
    if (this.#failure) throw toError(this.#failure);
    if (this.#closing) throw closingError("Cannot generate");
    validateRequest(request, this.info);
    const { signal } = request;
    if (signal?.aborted) throw abortedError();
    const session = request.grammar ? await this.#grammars.open(request.grammar) : null;
    try {
      signal?.throwIfAborted();
      yield* this.#generate(request, session);
    } catch (error) {
      throw signal?.aborted ? abortedError() : error;
    } finally {
      session?.close();
    }
  }

  async *#generate(
    request: GenerateRequest,
    session: GrammarSession | null,
  ): AsyncIterable<GenerateEvent> {
    if (this.#failure) throw toError(this.#failure);
    if (this.#closing) throw closingError("Cannot generate");
    const { signal } = request;
    const sequenceId = this.#nextId++;
    const queue = new EventQueue<GenerateEvent>();
    this.#sequences.set(sequenceId, queue);
    const abort = () => {
      queue.fail(abortedError());
      // At once, not when the caller next asks for an event, which may be late or never.
      this.#send({ type: "abort", sequenceId });
    };
    signal?.addEventListener("abort", abort, { once: true });
    const { port, shared } = session ?? {};
    const grammar = port && shared ? { port, shared } : null;
    this.#send(toGenerateMessage(request, sequenceId, grammar), port ? [port] : []);
    let hasFinished = false;
    try {
      for await (const event of queue) {
        hasFinished = event.type === "finish";
        yield event;
        if (hasFinished) return;
      }
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#sequences.delete(sequenceId);
      if (!hasFinished && !this.#failure) this.#send({ type: "abort", sequenceId });
    }
  }

  stats(): Promise<EngineStats> {
    return this.#ask("read stats", (requestId) => ({ type: "stats", requestId }));
  }

  slots(): Promise<SlotInfo[]> {
    return this.#ask("read slots", (requestId) => ({ type: "slots", requestId }));
  }

  async actOnSlot(slot: number, action: SlotAction): Promise<SlotOutcome> {
    const { sequenceCountMax } = this.info;
    if (!(Number.isInteger(slot) && slot >= 0 && slot < sequenceCountMax)) {
      const wanted = `wanted 0 to ${sequenceCountMax - 1}`;
      const message = `Cannot ${action.type} slot ${slot}: ${wanted}`;
      throw new EngineError("invalid_request", message, { param: "id" });
    }
    return await this.#ask(`${action.type} a slot`, (requestId) => {
      return { type: "slot_action", requestId, slot, action };
    });
  }

  /** Sends what is answered once, with the same `requestId`. */
  #ask<T>(action: string, message: (requestId: number) => ToWorker): Promise<T> {
    if (this.#failure) return Promise.reject(toError(this.#failure));
    if (this.#closing) return Promise.reject(closingError(`Cannot ${action}`));
    const requestId = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#asked.set(requestId, { resolve: resolve as (answer: unknown) => void, reject });
    this.#send(message(requestId));
    return promise;
  }

  #answer(requestId: number, answer: unknown): void {
    this.#asked.get(requestId)?.resolve(answer);
    this.#asked.delete(requestId);
  }

  close(tiersLimitMs: number = TIERS_LIMIT_MS): Promise<void> {
    this.#closing ??= this.#close(tiersLimitMs);
    return this.#closing;
  }

  /** Waits for the worker: the runtime ends the process if its device is left at work. */
  async #close(tiersLimitMs: number): Promise<void> {
    this.#settle(closingError("Generation ended"));
    this.#grammars.close();
    this.#send({ type: "close", tiersLimitMs });
    await this.#closed.promise;
  }

  #send(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "progress":
        return this.#onProgress(message.message, message.fraction);
      case "blocks":
        return this.#onBlockEvents(message.events);
      case "ready":
        this.#info = message.info;
        return void this.#becomeReady(message.measuredCalibration);
      case "event":
        return this.#sequences.get(message.sequenceId)?.push(message.event);
      case "sequence_failed":
        return this.#sequences.get(message.sequenceId)?.fail(toError(message.failure));
      case "stats":
        return this.#answer(message.requestId, message.stats);
      case "slots":
        return this.#answer(message.requestId, message.slots);
      case "slot_outcome":
        return this.#answer(message.requestId, message.outcome);
      case "refused":
        this.#asked.get(message.requestId)?.reject(toError(message.failure));
        this.#asked.delete(message.requestId);
        return;
      case "failed":
        return this.#fail(message.failure);
      case "closed":
        return this.#closed.resolve();
    }
  }

  /** Keeps what loading measured, so that the next start need not. */
  async #becomeReady(measuredCalibration: Uint8Array | null): Promise<void> {
    if (measuredCalibration !== null) {
      try {
        this.#onProgress(`kept ${await this.#keep(measuredCalibration)}`, 1);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        console.warn(`packkv: ${reason}; it is measured at each start`);
      }
    }
    this.#ready.resolve();
  }

  #fail(failure: FailureMessage): void {
    if (this.#failure) return;
    this.#failure = failure;
    const error = toError(failure);
    this.#ready.reject(error);
    this.#settle(error);
    this.#failed.resolve(failure);
  }

  /** Ends everything that waits for the worker. */
  #settle(error: EngineError): void {
    for (const queue of this.#sequences.values()) queue.fail(error);
    for (const { reject } of this.#asked.values()) reject(error);
    this.#asked.clear();
  }
}

function abortedError(): EngineError {
  return new EngineError("aborted", "Generation ended: aborted by the caller");
}

function closingError(action: string): EngineError {
  return new EngineError("shutting_down", `${action}: engine is closing`);
}

function toError(failure: FailureMessage): EngineError {
  const { code, message, param } = failure;
  return new EngineError(code, message, param === null ? {} : { param });
}
