/**
 * Reads block files in several threads: one decodes the cold form slower than a disk or a network
 * brings it.
 *
 * @module
 */

import { parseBlockFile } from "./block_file.ts";
import type { BlockFormat, StoredBlock } from "./block_format.ts";
import type { FromUnpackWorker, ToUnpackWorker } from "./unpack_worker.ts";

/** More read faster than the thread that takes the blocks can hand them on. */
const WORKER_COUNT_MAX = 8;
/** Cores that serving and stepping have for themselves. */
const OTHER_CORE_COUNT = 2;

/** Workers of a tier on a machine of that many cores; 0: its own thread reads. */
export function unpackWorkerCount(coreCount: number): number {
  return Math.max(0, Math.min(WORKER_COUNT_MAX, coreCount - OTHER_CORE_COUNT));
}

/** The threads that read block files of one cache. */
export class UnpackPool {
  readonly #format: BlockFormat;
  readonly #workers: UnpackWorker[] = [];
  #workerCountMax: number;

  /** @param workerCountMax Workers are started while all others have something to do. */
  constructor(format: BlockFormat, workerCountMax: number) {
    this.#format = format;
    this.#workerCountMax = workerCountMax;
  }

  /** Workers that were started. */
  get workerCount(): number {
    return this.#workers.length;
  }

  /**
   * As {@link parseBlockFile}.
   *
   * @throws {RangeError} If the bytes are not those of this block of this cache.
   */
  async unpack(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<StoredBlock> {
    const worker = this.#leastBusy();
    const answer = await worker?.ask(key, bytes);
    if (answer === undefined) return parseBlockFile(this.#format, key, bytes);
    if (answer.type === "block") return answer.block;
    if (answer.type === "refused") throw new RangeError(answer.message);
    this.#doWithout(answer.message);
    return parseBlockFile(this.#format, key, bytes);
  }

  /** Ends the workers. */
  close(): void {
    this.#workerCountMax = 0;
    for (const worker of this.#workers.splice(0)) worker.end("it is closed");
  }

  #leastBusy(): UnpackWorker | undefined {
    const [first, ...others] = this.#workers;
    const idlest = others.reduce(
      (best, each) => each.askedCount < best.askedCount ? each : best,
      first,
    );
    if (idlest?.askedCount === 0 || this.#workers.length >= this.#workerCountMax) return idlest;
    const worker = new UnpackWorker(this.#format);
    this.#workers.push(worker);
    return worker;
  }

  #doWithout(reason: string): void {
    if (this.#workerCountMax === 0) return;
    console.error(`packkv: blocks are read by one thread from now on: ${reason}`);
    this.close();
  }
}

class UnpackWorker {
  readonly #worker: Worker;
  readonly #waiters = new Map<number, (answer: FromUnpackWorker) => void>();
  #nextId = 1;

  constructor(format: BlockFormat) {
    this.#worker = new Worker(new URL("./unpack_worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<FromUnpackWorker & { id: number }>) => {
      this.#waiters.get(data.id)?.(data);
      this.#waiters.delete(data.id);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.end(`their worker ended: ${event.message}`);
    };
    this.#send({ type: "open", format });
  }

  /** Files that it is to read. */
  get askedCount(): number {
    return this.#waiters.size;
  }

  ask(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<FromUnpackWorker> {
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<FromUnpackWorker>();
    this.#waiters.set(id, resolve);
    this.#send({ type: "unpack", id, key, bytes });
    return promise;
  }

  /** What it was asked for is not answered. */
  end(message: string): void {
    this.#send({ type: "close" });
    for (const resolve of this.#waiters.values()) resolve({ type: "ended", message });
    this.#waiters.clear();
  }

  #send(message: ToUnpackWorker): void {
    this.#worker.postMessage(message);
  }
}
