/**
 * Tables of frequencies by the class of a row: of its mode, and of its base or amplitude. FORMAT.md
 * section 9.3.
 *
 * @module
 */

import {
  FREQUENCY_SUM,
  readFrequencies,
  scaleCounts,
  SYMBOL_COUNT,
  writeFrequencies,
  writeModel,
} from "./frequencies.ts";
import { halvesAt, take, wordsAt } from "./kernel_memory.ts";
import { fillSlots } from "./kernels.wasm";
import { CLASS_COUNT_MAX } from "./record_rows.ts";

/** Bytes of a table for reading. */
export const SLOTS_BYTES: number = FREQUENCY_SUM + 4 * SYMBOL_COUNT;

/** How often symbols come, by class. */
export interface ClassFrequencies {
  /** u16 `[class][2][256]`: of modes, then of bases. */
  classFrequencies: Uint16Array;
  /** Bit `i`: rows of class `i` occur. */
  present: number;
}

/** Counts the symbols of rows: u8, by row. */
export function countClasses(
  classes: Uint8Array,
  { modes, bases }: { modes: Uint8Array; bases: Uint8Array },
): ClassFrequencies {
  const counts = new Uint32Array(2 * CLASS_COUNT_MAX * SYMBOL_COUNT);
  let present = 0;
  for (const [row, own] of classes.entries()) {
    const first = 2 * own * SYMBOL_COUNT;
    counts[first + modes[row]]++;
    counts[first + SYMBOL_COUNT + bases[row]]++;
    present |= 1 << own;
  }
  const classFrequencies = new Uint16Array(counts.length);
  for (let index = 0; index < 2 * CLASS_COUNT_MAX; index++) {
    const first = index * SYMBOL_COUNT;
    scaleCounts(counts.subarray(first, first + SYMBOL_COUNT), tableAt(classFrequencies, index));
  }
  return { classFrequencies, present };
}

/** Appends the tables of the classes that occur. */
export function writeClasses(
  { classFrequencies, present }: ClassFrequencies,
  bytes: number[],
): void {
  for (let index = 0; index < 2 * CLASS_COUNT_MAX; index++) {
    if ((present >> (index >> 1) & 1) === 0) continue;
    writeFrequencies(tableAt(classFrequencies, index), bytes);
  }
}

/**
 * Reads them.
 *
 * @param at Where they begin.
 * @returns Address of u32 `[class][2]`, those of tables, 0 where there is none; and where they end.
 * @throws {RangeError} if they are none that {@link writeClasses} writes.
 */
export function readClasses(
  bytes: Uint8Array,
  at: number,
  present: number,
): { classSlots: number; end: number } {
  const classSlots = take(2 * 4 * CLASS_COUNT_MAX);
  const addresses = new Uint32Array(2 * CLASS_COUNT_MAX);
  const frequencies = take(2 * SYMBOL_COUNT);
  for (let index = 0; index < addresses.length; index++) {
    if ((present >> (index >> 1) & 1) === 0) continue;
    addresses[index] = take(SLOTS_BYTES);
    at = readFrequencies(bytes, at, halvesAt(frequencies, SYMBOL_COUNT));
    fillSlots(frequencies, addresses[index]);
  }
  wordsAt(classSlots, addresses.length).set(addresses);
  return { classSlots, end: at };
}

/** Puts tables where kernels write with them: u32 `[256]` each. */
export function takeModels(frequencies: Uint16Array): number {
  const address = take(4 * frequencies.length);
  const models = wordsAt(address, frequencies.length);
  for (let first = 0; first < frequencies.length; first += SYMBOL_COUNT) {
    const end = first + SYMBOL_COUNT;
    writeModel(frequencies.subarray(first, end), models.subarray(first, end));
  }
  return address;
}

/** One of several tables. */
export function tableAt(frequencies: Uint16Array, index: number): Uint16Array {
  return frequencies.subarray(index * SYMBOL_COUNT, (index + 1) * SYMBOL_COUNT);
}
