/**
 * How much of the sealed blocks decode rows read: what is chosen by, and how many blocks the rows
 * of each slot choose.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { Row } from "../core/row.ts";
import type { SummaryKind } from "../kernels/block_summary/sources.ts";

/** What decode rows read of a sequence, whose blocks all stay. */
export interface ReadMethod {
  /** Method and settings in words, e.g. `quest:blocks=32`. */
  readonly id: string;
  /** What is kept of the keys of blocks. */
  readonly kind: SummaryKind;
  /** What blocks are scored by: that, or the attention they get, which takes raw keys. */
  readonly scoredBy: "summary" | "attention";
  /** Sealed blocks that a row and KV head reads at most, the first one among them. */
  readonly blockCount: number;
  /** First layers that read every block. */
  readonly denseLayerCount: number;
}

/** What decode rows have read since loading, in a layer that chooses. */
export interface ReadCounts {
  /** Tokens that rows could read, summed over the rows. */
  readableTokenCount: number;
  /** Those that they read. */
  readTokenCount: number;
}

/** The choices in force, by slot. */
export class Reading {
  readonly method: ReadMethod;
  #counts: ReadCounts = { readableTokenCount: 0, readTokenCount: 0 };
  #blockCounts: number[];

  /** Every slot begins with what the method says. */
  constructor(method: ReadMethod, slotCount: number) {
    this.method = method;
    this.#blockCounts = new Array<number>(slotCount).fill(method.blockCount);
  }

  /** Sets how many blocks the rows of a slot read, from the next encoded step on. */
  set(slot: number, blockCount: number): void {
    this.#blockCounts[slot] = blockCount;
  }

  /** Records that each KV head of a row reads. */
  chosenCount({ slot, listCount }: Pick<Row, "slot" | "listCount">): number {
    return Math.min(listCount, this.#blockCounts[slot]);
  }

  /** What rows have read since the counts began. */
  get counts(): ReadCounts {
    return this.#counts;
  }

  /** Begins to count from 0. */
  beginCounts(): void {
    this.#counts = { readableTokenCount: 0, readTokenCount: 0 };
  }

  /** Counts what rows read. */
  count(rows: readonly Row[]): void {
    for (const row of rows) {
      const leftOut = (row.listCount - this.chosenCount(row)) * BLOCK_TOKEN_COUNT;
      this.#counts.readableTokenCount += row.position + 1;
      this.#counts.readTokenCount += row.position + 1 - leftOut;
    }
  }
}
