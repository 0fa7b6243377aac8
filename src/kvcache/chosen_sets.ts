/**
 * Which blocks the rows of a step chose, layer by layer and KV head by KV head.
 *
 * @module
 */

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
}
