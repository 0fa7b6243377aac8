/**
 * Device time of parts of a command buffer, by timestamps of empty passes around them.
 *
 * @module
 */

import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "./gpu.ts";
import type { ReadBack } from "./read_back.ts";

/** Two timestamps of two words each. */
const SPAN_WORDS = 4;
const WORD_RANGE = 2 ** 32;

/** Measures `spanCount` parts of each command buffer it is encoded into. */
export class Stopwatch {
  readonly #gpu: Gpu;
  readonly #spanCount: number;
  readonly #queries: GPUQuerySet;
  readonly #results: GPUBuffer;

  private constructor(gpu: Gpu, spanCount: number) {
    this.#gpu = gpu;
    this.#spanCount = spanCount;
    this.#queries = gpu.device.createQuerySet({ type: "timestamp", count: 2 * spanCount });
    const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
    this.#results = gpu.createBuffer("stopwatch", this.resultSizeBytes, { usage });
  }

  /** Null if the adapter has no timestamps. */
  static create(gpu: Gpu, spanCount: number): Stopwatch | null {
    return gpu.facts.hasTimestamps ? new Stopwatch(gpu, spanCount) : null;
  }

  /** Bytes of what {@link encodeResults} copies. */
  get resultSizeBytes(): number {
    return this.#spanCount * SPAN_WORDS * WORD_SIZE_BYTES;
  }

  /** Encodes `part` as a span. All spans are encoded, in any order, before the results. */
  encode(encoder: GPUCommandEncoder, span: number, part: () => void): void {
    const mark = (timestamp: GPUComputePassTimestampWrites) =>
      encoder.beginComputePass({ timestampWrites: timestamp }).end();
    const querySet = this.#queries;
    mark({ querySet, beginningOfPassWriteIndex: 2 * span });
    part();
    mark({ querySet, endOfPassWriteIndex: 2 * span + 1 });
  }

  /** Encodes the copy of what was measured. */
  encodeResults(encoder: GPUCommandEncoder, readBack: ReadBack, targetOffsetBytes: number): void {
    const { resultSizeBytes: sizeBytes } = this;
    encoder.resolveQuerySet(this.#queries, 0, 2 * this.#spanCount, this.#results, 0);
    readBack.encodeCopy(encoder, this.#results, { sizeBytes, targetOffsetBytes });
  }

  /**
   * Seconds of all spans together.
   *
   * @param words u32 `[spanCount][begin, end][low, high]`, nanoseconds. A clock that was set back
   * counts as 0.
   */
  static seconds(words: Uint32Array): number {
    let nanoseconds = 0;
    for (let at = 0; at + SPAN_WORDS <= words.length; at += SPAN_WORDS) {
      const [beginLow, beginHigh, endLow, endHigh] = words.subarray(at, at + SPAN_WORDS);
      nanoseconds += Math.max(0, (endHigh - beginHigh) * WORD_RANGE + endLow - beginLow);
    }
    return nanoseconds / 1e9;
  }

  /** Frees queries and results. */
  destroy(): void {
    this.#queries.destroy();
    this.#gpu.destroyBuffer(this.#results);
  }
}
