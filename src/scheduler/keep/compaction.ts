/**
 * How the tokens that are kept of sealed blocks move together into fewer blocks: which record and
 * place each comes from.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT, divCeil } from "../../core/shapes.ts";

/** What one block is gathered from. */
export interface Gather {
  /** By store: tokens of its record, sinks among them; 0 for a record that is not made. */
  readonly tokenCounts: readonly number[];
  /** By store: `{word of the record, packed place}` of each token but the sinks. */
  readonly sources: readonly Uint32Array[];
  /** By store: where the record lies that has the sequence's sinks; in its first block only. */
  readonly sinkRecords: readonly number[] | null;
  /** By store: channels of K that stay, 32 to a word; null if all do. */
  readonly keptChannels: readonly Uint32Array[] | null;
}

/** See the module. */
export class Compaction {
  /** Blocks that are made. */
  readonly blockCount: number;
  #kept: readonly (readonly number[])[];
  #recordOffsets: readonly (readonly number[])[];
  #sinkCount: number;
  #keptChannels: readonly Uint32Array[] | null;

  /**
   * @param kept By store: tokens kept, the sinks first, ascending from the 65th on; none of a store
   * that seals nothing.
   * @param options `recordOffsets`: by block and store. `sinkCount`: first tokens of a sequence
   * that its first record has apart from the others. `keptChannels`: of K, by store; null for all.
   */
  constructor(
    kept: readonly (readonly number[])[],
    options: {
      recordOffsets: readonly (readonly number[])[];
      sinkCount: number;
      keptChannels?: readonly Uint32Array[] | null;
    },
  ) {
    this.#kept = kept;
    this.#recordOffsets = options.recordOffsets;
    this.#sinkCount = options.sinkCount;
    this.#keptChannels = options.keptChannels ?? null;
    this.blockCount = divCeil(Math.max(...kept.map(({ length }) => length)), BLOCK_TOKEN_COUNT);
  }

  /** What block `index` of those made is gathered from. */
  gather(index: number): Gather {
    const tokens = this.#kept.map((own) =>
      own.slice(index * BLOCK_TOKEN_COUNT, (index + 1) * BLOCK_TOKEN_COUNT)
    );
    const sinkCount = index === 0 ? this.#sinkCount : 0;
    return {
      tokenCounts: tokens.map(({ length }) => length),
      sources: tokens.map((own, store) =>
        Uint32Array.from(own.slice(sinkCount).flatMap((token) => this.#placeOf(token, store)))
      ),
      sinkRecords: sinkCount > 0 ? this.#recordOffsets[0] : null,
      keptChannels: this.#keptChannels,
    };
  }

  /** The first block that block `index` or a later one is made from. */
  firstNeeded(index: number): number {
    const next = this.#kept.map((own) => own.at(index * BLOCK_TOKEN_COUNT) ?? Infinity);
    return Math.min(this.#recordOffsets.length, Math.floor(Math.min(...next) / BLOCK_TOKEN_COUNT));
  }

  #placeOf(token: number, store: number): [record: number, place: number] {
    const block = Math.floor(token / BLOCK_TOKEN_COUNT);
    const place = token % BLOCK_TOKEN_COUNT - (block === 0 ? this.#sinkCount : 0);
    return [this.#recordOffsets[block][store], place];
  }
}
