/**
 * Which values of one arena group are on the device. Plain values; what is moved there is another's
 * task.
 *
 * Steps need values layer by layer, in the same order and mostly the same ones. So those that the
 * last steps did not need give way first, the oldest before others; then those that were needed
 * last, whose turn comes last. To give up the least recently used of all would give up each value
 * right before its turn once the pool is smaller than what a step needs.
 *
 * @module
 */

import type { ValuePart } from "../codec/record.ts";
import { invariant } from "../core/errors.ts";
import { divCeil } from "../core/shapes.ts";
import { type Extent, EXTENT_UNIT_WORDS, ExtentAllocator } from "../scheduler/allocator.ts";

/** Values of one block in one store. */
export interface BlockValues {
  /** First word of its record in the arena. */
  readonly record: number;
  readonly store: number;
  readonly part: ValuePart;
  /** On the host; null until the device has made them. */
  words: Uint32Array<ArrayBuffer> | null;
  /** Where they are in the pool; null if they are not. */
  place: Extent | null;
  /** The last step that needed them. */
  step: number;
}

/** The words of an arena behind its records. */
export class ValuePool {
  /** First of them. */
  readonly firstWord: number;
  #allocator: ExtentAllocator;
  #step = 0;
  /** Those that have a place, the least recently needed first. */
  #resident = new Set<BlockValues>();
  /** Blocks by each unit of the arena that their records take. */
  #owners = new Map<number, readonly BlockValues[]>();

  constructor({ wordCount, valueWordCount }: { wordCount: number; valueWordCount: number }) {
    this.firstWord = wordCount;
    this.#allocator = new ExtentAllocator(valueWordCount);
  }

  /** Says that what is needed from now on is for another step. */
  beginStep(): void {
    this.#step++;
  }

  /**
   * Takes in the values of the stores of a new block.
   *
   * @returns Those of the blocks that were in its place, which are forgotten.
   */
  add(values: readonly BlockValues[]): BlockValues[] {
    const units = unitsOf(values);
    const gone = new Set(units.flatMap((unit) => {
      const owner = this.#owners.get(unit);
      return owner === undefined ? [] : [owner];
    }));
    for (const block of gone) {
      for (const unit of unitsOf(block)) this.#owners.delete(unit);
      for (const each of block) this.#giveUp(each);
    }
    for (const unit of units) this.#owners.set(unit, values);
    return [...gone].flat();
  }

  /**
   * Gives all of them places, together.
   *
   * @returns Those that are to be moved to their places.
   */
  place(needed: ReadonlySet<BlockValues>): BlockValues[] {
    const moved: BlockValues[] = [];
    const victims = this.#victims(needed);
    for (const each of needed) {
      if (each.place === null) {
        if (!this.#makeRoom(each, victims)) return this.#placeAnew(needed);
        moved.push(each);
      }
      this.#touch(each);
    }
    return moved;
  }

  /** Words of the values that have a place. */
  get residentWordCount(): number {
    return this.#allocator.askedWordCount;
  }

  /** @param victims What may still give way for the values that are placed together. */
  #makeRoom(values: BlockValues, victims: Iterator<BlockValues, undefined>): boolean {
    while (true) {
      values.place = this.#allocator.allocate(values.part.wordCount);
      if (values.place !== null) return true;
      const { value: victim } = victims.next();
      if (victim === undefined) return false;
      this.#giveUp(victim);
    }
  }

  /** What may give way, in that order; of many it is asked once for all that are placed. */
  *#victims(needed: ReadonlySet<BlockValues>): Generator<BlockValues, undefined> {
    const others = [...this.#resident].filter((each) => !needed.has(each));
    const isStale = ({ step }: BlockValues) => step < this.#step - 1;
    yield* others.filter(isStale);
    yield* others.filter((each) => !isStale(each)).reverse();
  }

  #touch(values: BlockValues): void {
    values.step = this.#step;
    this.#resident.delete(values);
    this.#resident.add(values);
  }

  /** With gaps between them they may not fit; one behind the other they do. */
  #placeAnew(needed: ReadonlySet<BlockValues>): BlockValues[] {
    for (const each of [...this.#resident]) this.#giveUp(each);
    for (const each of needed) {
      each.place = this.#allocator.allocate(each.part.wordCount);
      invariant(
        each.place !== null,
        "the pool holds one store of all blocks, and all of one block",
      );
      this.#touch(each);
    }
    return [...needed];
  }

  #giveUp(values: BlockValues): void {
    if (values.place === null) return;
    this.#allocator.release(values.place);
    values.place = null;
    this.#resident.delete(values);
  }
}

/** Units of the arena that the records of a block take. */
function unitsOf(values: readonly BlockValues[]): number[] {
  const starts = values.map(({ record }) => record);
  const ends = values.map(({ record, part }) => record + part.keyWords);
  const first = Math.floor(Math.min(...starts) / EXTENT_UNIT_WORDS);
  const end = divCeil(Math.max(...ends), EXTENT_UNIT_WORDS);
  return Array.from({ length: end - first }, (_, index) => first + index);
}
