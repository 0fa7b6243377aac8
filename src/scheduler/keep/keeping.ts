/**
 * What a method does to one sequence: its last queries are observed, what they say decides which
 * tokens of its prompt stay, and these move together into blocks of its own. No row of it runs
 * before that is done, so that its text depends on nothing but itself.
 *
 * @module
 */

import { bitCount } from "../../core/bit_count.ts";
import { invariant } from "../../core/errors.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { CachedItem } from "../block_cache.ts";
import { Compaction, type Gather } from "./compaction.ts";
import type { KeepMethod, Observation, StoreScores } from "./method.ts";
import { type Packing, wholePacks } from "./whole_packs.ts";

/** What stayed of a prompt. */
export interface KeptReport {
  /** Method and settings. */
  method: string;
  /** Tokens of which it chose: those that were sealed when the prompt was read. */
  sealedTokenCount: number;
  /** By store: those that stayed, and words of their records. */
  tokenCounts: readonly number[];
  recordWords: readonly number[];
  /** By store: channels of K that stayed, of all heads; null if all did. */
  keyChannelCounts: readonly number[] | null;
}

/** Rows of a slice that are observed. */
export interface SliceObservation extends Observation {
  /** The first of them; those behind it are observed too. */
  readonly firstRow: number;
  /** Whether nothing of the prompt was observed before. */
  readonly isFirst: boolean;
}

/** `reading`, then `scores` are awaited, then it is `decided`, and blocks move until `done`. */
type Phase = "reading" | "scores" | "decided" | "done";

/** See the module. */
export class Keeping {
  readonly method: KeepMethod;
  /** Blocks that are sealed once the prompt is read. */
  readonly sealedBlockCount: number;
  readonly #promptTokenCount: number;
  readonly #packing: Packing;
  #phase: Phase = "reading";
  #kept: readonly (readonly number[])[] | null = null;
  #keptChannels: readonly Uint32Array[] | null = null;
  #compaction: Compaction | null = null;
  #nextGather = 0;
  #moved: CachedItem[] = [];
  #report: KeptReport | null = null;

  /**
   * @param options `sealedBlockCount`: of the whole prompt. `packing`: of the codec.
   */
  constructor(
    method: KeepMethod,
    options: { promptTokenCount: number; sealedBlockCount: number; packing: Packing },
  ) {
    this.method = method;
    this.sealedBlockCount = options.sealedBlockCount;
    this.#promptTokenCount = options.promptTokenCount;
    this.#packing = options.packing;
  }

  /** Prompt tokens that must not be taken from the cache: those whose queries are observed. */
  get observedCount(): number {
    return Math.min(this.#promptTokenCount, this.method.observation.queryCount);
  }

  /** Whether no row may be planned: the prompt is read, and its blocks have not moved. */
  get isPending(): boolean {
    return this.#phase === "scores" || this.#phase === "decided";
  }

  /** Whether the result of its last slice is awaited. */
  get awaitsScores(): boolean {
    return this.#phase === "scores";
  }

  /** Blocks made so far that its read list does not have yet. */
  get moved(): readonly CachedItem[] {
    return this.#moved;
  }

  /** What stayed; null before its blocks are moved. */
  get report(): KeptReport | null {
    return this.#report;
  }

  /** What of a slice is observed; null for nothing. */
  observe(position: number, tokenCount: number): SliceObservation | null {
    if (this.sealedBlockCount === 0) return null;
    const firstObserved = this.#promptTokenCount - this.observedCount;
    if (position + tokenCount <= firstObserved) return null;
    const firstRow = Math.max(0, firstObserved - position);
    const isFirst = position <= firstObserved;
    return { ...this.method.observation, firstRow, isFirst };
  }

  /** The last slice is planned, and rows follow. */
  expectScores(): void {
    invariant(this.#phase === "reading", "a prompt is read once");
    this.#phase = this.sealedBlockCount === 0 ? "done" : "scores";
  }

  /** Decides; by store, null for one that does not keep all, or follows the one before. */
  decide(scores: readonly (StoreScores | null | "as before")[]): void {
    const counts = {
      promptTokenCount: this.#promptTokenCount,
      sealedTokenCount: this.sealedBlockCount * BLOCK_TOKEN_COUNT,
      sinkCount: this.#packing.sinkCount,
      packTokenCount: this.#packing.packTokenCount,
    };
    const { method } = this;
    if (method.keepChannels) {
      this.#keptChannels = scores.map((own) => {
        if (own === null) return new Uint32Array();
        invariant(own !== "as before" && own.channels, "each store has scores of channels");
        return method.keepChannels!(own.channels);
      });
    }
    let before: number[] = [];
    this.#kept = scores.map((own) => {
      if (own === null) return [];
      if (own !== "as before") {
        before = this.#packed(method.choose(own, counts), counts.sealedTokenCount);
      }
      return before;
    });
    this.#phase = "decided";
  }

  #packed(chosen: readonly number[], sealedTokenCount: number): number[] {
    const { needsAll } = this.method;
    const { sinkCount, packTokenCount } = this.#packing;
    return wholePacks(chosen, { sealedTokenCount, needsAll, sinkCount, packTokenCount });
  }

  /** The next block to make; null if there is none, or its sources are not all there. */
  takeGather(blocks: readonly (CachedItem | null)[]): { index: number; gather: Gather } | null {
    if (this.#phase !== "decided" || blocks.length < this.sealedBlockCount) return null;
    this.#compaction ??= new Compaction(this.#kept!, {
      recordOffsets: blocks.map((item) => item!.block.recordOffsets),
      sinkCount: this.#packing.sinkCount,
      keptChannels: this.#keptChannels,
    });
    if (this.#nextGather === this.#compaction.blockCount) return null;
    const index = this.#nextGather++;
    return { index, gather: this.#compaction.gather(index) };
  }

  /**
   * Takes a block that was made.
   *
   * @returns The first of the old blocks that is still needed; null if none is, and all are made.
   */
  add(item: CachedItem): number | null {
    this.#moved.push(item);
    const { length } = this.#moved;
    const compaction = this.#compaction!;
    return length === compaction.blockCount ? null : compaction.firstNeeded(length);
  }

  /** Gives the blocks made to the read list. */
  finish(): CachedItem[] {
    const moved = this.#moved;
    this.#moved = [];
    this.#report = {
      method: this.method.id,
      sealedTokenCount: this.sealedBlockCount * BLOCK_TOKEN_COUNT,
      tokenCounts: this.#kept!.map(({ length }) => length),
      recordWords: this.#kept!.map((_, store) =>
        moved.reduce((sum, { recordWords }) => sum + recordWords[store], 0)
      ),
      keyChannelCounts:
        this.#keptChannels?.map((words) => words.reduce((sum, word) => sum + bitCount(word), 0)) ??
          null,
    };
    this.#phase = "done";
    return moved;
  }

  /** Back to the start, or behind the prompt if its blocks were moved before. */
  restart(isBehindPrompt: boolean): void {
    this.#phase = isBehindPrompt ? "done" : "reading";
    this.#compaction = null;
    this.#nextGather = 0;
    this.#moved = [];
  }
}
