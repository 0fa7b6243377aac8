/**
 * Which blocks the rows of a step chose, layer by layer and KV head by KV head.
 *
 * @module
 */

import { bitCount } from "../core/bit_count.ts";

/** How the bits lie: `[stores][rows][kvHeadCount][setWords]`, a store's padded. */
export interface SetShape {
  /** Words from one store's to the next. */
  storeWords: number;
  kvHeadCount: number;
  /** Words of a row and KV head. */
  setWords: number;
}

/** Bits of one step, as read back. */
export class ChosenSets {
  #words: Uint32Array;
  #shape: SetShape;

  /** @param words As the kernel left them. */
  constructor(words: Uint32Array, shape: SetShape) {
    this.#words = words;
    this.#shape = shape;
  }

  /** Whether a row and KV head reads a block of a store. */
  has(at: { store: number; row: number; kvHead: number; block: number }): boolean {
    const { storeWords, kvHeadCount, setWords } = this.#shape;
    const set = at.store * storeWords + (at.row * kvHeadCount + at.kvHead) * setWords;
    return (this.#words[set + (at.block >>> 5)] >>> (at.block & 31) & 1) === 1;
  }

  /** Which of the first blocks of a store any KV head of a row reads, and how many a head does. */
  ofRow(
    { store, row }: { store: number; row: number },
    blockCount: number,
  ): { blocks: number[]; meanCount: number } {
    const { storeWords, kvHeadCount, setWords } = this.#shape;
    const first = store * storeWords + row * kvHeadCount * setWords;
    const blocks: number[] = [];
    let chosenCount = 0;
    for (let word = 0; word * 32 < blockCount; word++) {
      let any = 0;
      for (let kvHead = 0; kvHead < kvHeadCount; kvHead++) {
        const own = this.#words[first + kvHead * setWords + word];
        chosenCount += bitCount(own);
        any |= own;
      }
      for (let bit = 0; bit < 32; bit++) {
        if ((any >>> bit & 1) === 1) blocks.push(word * 32 + bit);
      }
    }
    return { blocks, meanCount: chosenCount / kvHeadCount };
  }
}
