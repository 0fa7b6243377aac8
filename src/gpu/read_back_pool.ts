import type { Gpu } from "./gpu.ts";
import { ReadBack } from "./read_back.ts";

/** Steps that are encoded and not read as a rule: the one on the device and the one behind it. */
const COUNT_AT_FIRST = 2;

/** Staging buffers of one size: as many as are in use at a time. */
export class ReadBackPool {
  readonly #label: string;
  readonly #all: ReadBack[];
  readonly #free: ReadBack[];

  /** Makes the first ones, of `sizeBytes`. */
  constructor(gpu: Gpu, label: string, sizeBytes: number) {
    this.#label = label;
    this.#all = [ReadBack.create(gpu, `${label} 0`, sizeBytes)];
    while (this.#all.length < COUNT_AT_FIRST) this.#add();
    this.#free = [...this.#all];
  }

  /** Any of them: they are read in the same way. */
  get first(): ReadBack {
    return this.#all[0];
  }

  /** One that nobody uses. */
  take(): ReadBack {
    return this.#free.pop() ?? this.#add();
  }

  /** Takes one back that was read. */
  giveBack(readBack: ReadBack): void {
    this.#free.push(readBack);
  }

  /** Frees all of them. */
  destroy(): void {
    for (const readBack of this.#all) readBack.destroy();
  }

  #add(): ReadBack {
    const another = this.first.another(`${this.#label} ${this.#all.length}`);
    this.#all.push(another);
    return another;
  }
}
