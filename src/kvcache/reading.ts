/**
 * How much of the sealed blocks decode rows read: what is chosen by, and how many blocks the rows
 * of each slot choose.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { Row } from "../core/row.ts";
import type { SetShape } from "./chosen_sets.ts";
import type { SummaryKind } from "../kernels/block_summary/sources.ts";

/** What decode rows read of a sequence, whose blocks all stay. */
export interface ReadMethod {
  /** Method and settings in words, e.g. `quest:blocks=32`. */
  readonly id: string;
  /** What is kept of the keys of blocks. */
  readonly kind: SummaryKind;
  /**
   * What blocks are scored by: that, or the attention they get, made of raw keys or of packed ones.
   */
  readonly scoredBy: "summary" | "attention" | "keys";
  /** Sealed blocks that a row and KV head reads at most, the first one among them. */
  readonly blockCount: number;
  /**
   * The fewest blocks are read whose attention, with that of the window, exceeds this share of all;
   * 1 reads all. Null where blocks are counted.
   */
  readonly share: number | null;
  /**
   * Share of the arena for values of layers that choose, which lie in host memory otherwise; null:
   * all are on the device.
   */
  readonly valueShare: number | null;
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

/** Where a kernel leaves which blocks rows chose; see {@link ChosenSets}. */
export interface SetBuffer extends SetShape {
  buffer: GPUBuffer;
}

/** The choices in force, by slot. */
export class Reading {
  readonly method: ReadMethod;
  #counts: ReadCounts = { readableTokenCount: 0, readTokenCount: 0 };
  #blockCounts: number[];
  #shares: number[];
  /** What the rows of a step have chosen; null before any, and where blocks are counted. */
  sets: SetBuffer | null = null;

  /** Every slot begins with what the method says. */
  constructor(method: ReadMethod, slotCount: number) {
    this.method = method;
    this.#blockCounts = new Array<number>(slotCount).fill(method.blockCount);
    this.#shares = new Array<number>(slotCount).fill(method.share ?? 1);
  }

  /** Sets how many blocks the rows of a slot read, from the next encoded step on. */
  set(slot: number, blockCount: number): void {
    this.#blockCounts[slot] = blockCount;
  }

  /** Sets which share of their attention the rows of a slot read, from the next step on. */
  setShare(slot: number, share: number): void {
    this.#shares[slot] = share;
  }

  /** Which share of its attention a row reads. */
  shareOf({ slot }: Pick<Row, "slot">): number {
    return this.#shares[slot];
  }

  /** Records that each KV head of a row reads, at most where shares are read. */
  chosenCount({ slot, listCount }: Pick<Row, "slot" | "listCount">): number {
    return Math.min(listCount, this.#blockCounts[slot]);
  }

  /** What rows have read since the counts began. */
  get counts(): ReadCounts {
    const { readableTokenCount, readTokenCount } = this.#counts;
    return { readableTokenCount, readTokenCount: Math.round(readTokenCount) };
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

  /** Counts blocks that were not read of those counted; a mean over layers and heads. */
  countLeftOut(blockCount: number): void {
    this.#counts.readTokenCount -= blockCount * BLOCK_TOKEN_COUNT;
  }
}
