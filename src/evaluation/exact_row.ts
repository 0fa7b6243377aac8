/**
 * The next-token distribution of one position under the exact cache, in 16 bits per token: small
 * enough to keep those of thousands of positions on the disk, so that the exact cache runs once for
 * all codecs.
 *
 * A log-probability is kept as its distance below the largest, in steps of {@link STEP_NATS}. The
 * rounding moves it by at most half a step; since the row is normalised again when read, a
 * divergence from it is off by the square of that, about 1e-8.
 *
 * @module
 */

import { logSumExp } from "../core/log_sum_exp.ts";

/** The distribution of one position. */
export interface ExactRow {
  /** Steps below the most likely token; shape `[vocabSize]`. The last step means "at least". */
  steps: Uint16Array;
  /** The most likely token, the lowest of equal ones. */
  topId: number;
  /** Log-probability of the token that follows in the text, before rounding; f32. */
  targetLogProb: number;
}

/** Farthest distance kept: a token 32 nats below the top one has a probability below 2e-14. */
const RANGE_NATS = 32;
const STEP_MAX = 65535;
/** Resolution of a log-probability. */
export const STEP_NATS = RANGE_NATS / STEP_MAX;

/** Bytes of a row's fields before its steps: topId as u32, targetLogProb as f32. */
const HEAD_BYTES = 8;

/** `exp` of minus each number of steps. */
const WEIGHTS = Float64Array.from(
  { length: STEP_MAX + 1 },
  (_, step) => Math.exp(-step * STEP_NATS),
);

/** What a divergence from a row needs: sums over its tokens with the rounded probabilities `p`. */
export interface RowSums {
  /** `sum(p)` before normalising, relative to the top token's. */
  weight: number;
  /** `sum(p * log(p))`, normalised. */
  entropy: number;
  /** `sum(p * logits)` of the other logits, normalised. */
  otherMean: number;
}

/**
 * Makes the row of a position.
 *
 * @param logits f32 `[vocabSize]`.
 * @param targetId The token that follows in the text.
 */
export function exactRow(logits: Float32Array, targetId: number): ExactRow {
  const { logSum, topId } = logSumExp(logits);
  const top = logits[topId];
  const steps = new Uint16Array(logits.length);
  for (let id = 0; id < logits.length; id++) {
    steps[id] = Math.min(STEP_MAX, Math.round((top - logits[id]) / STEP_NATS));
  }
  return { steps, topId, targetLogProb: Math.fround(logits[targetId] - logSum) };
}

/** Sums over a row and the logits of another cache at the same position, f64. */
export function rowSums({ steps }: ExactRow, other: Float32Array): RowSums {
  let weight = 0;
  let stepSum = 0;
  let otherSum = 0;
  for (let id = 0; id < steps.length; id++) {
    const own = WEIGHTS[steps[id]];
    weight += own;
    stepSum += own * steps[id];
    otherSum += own * other[id];
  }
  return {
    weight,
    entropy: -STEP_NATS * stepSum / weight - Math.log(weight),
    otherMean: otherSum / weight,
  };
}

/** Rows in a file, in the order of their positions; of fixed size, so that any can be read. */
export class ExactRowFile {
  #file: Deno.FsFile;
  #vocabSize: number;

  /** Opens the file at `path`; `isNew` empties it or makes it. */
  constructor(path: string, options: { vocabSize: number; isNew: boolean }) {
    const { vocabSize, isNew } = options;
    this.#vocabSize = vocabSize;
    this.#file = Deno.openSync(path, { read: true, write: true, create: isNew, truncate: isNew });
  }

  /** Bytes of one row. */
  static rowSizeBytes(vocabSize: number): number {
    return HEAD_BYTES + 2 * vocabSize;
  }

  /** Writes the row at `index`. */
  write(index: number, row: ExactRow): void {
    const bytes = new Uint8Array(ExactRowFile.rowSizeBytes(this.#vocabSize));
    const head = new DataView(bytes.buffer);
    head.setUint32(0, row.topId, true);
    head.setFloat32(4, row.targetLogProb, true);
    new Uint16Array(bytes.buffer, HEAD_BYTES).set(row.steps);
    this.#file.seekSync(index * bytes.length, Deno.SeekMode.Start);
    for (let offset = 0; offset < bytes.length;) {
      offset += this.#file.writeSync(bytes.subarray(offset));
    }
  }

  /**
   * Reads the row at `index`.
   *
   * @throws {RangeError} If the file ends before it.
   */
  read(index: number): ExactRow {
    const bytes = new Uint8Array(ExactRowFile.rowSizeBytes(this.#vocabSize));
    this.#file.seekSync(index * bytes.length, Deno.SeekMode.Start);
    for (let offset = 0; offset < bytes.length;) {
      const count = this.#file.readSync(bytes.subarray(offset));
      if (count === null) throw new RangeError(`Cannot read exact row ${index}: the file ends`);
      offset += count;
    }
    const head = new DataView(bytes.buffer);
    return {
      topId: head.getUint32(0, true),
      targetLogProb: head.getFloat32(4, true),
      steps: new Uint16Array(bytes.buffer, HEAD_BYTES),
    };
  }

  /** Closes the file. */
  close(): void {
    this.#file.close();
  }
}
