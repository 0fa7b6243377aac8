/**
 * Which rows share a table of frequencies. A packer's own business: readers take what is written.
 *
 * @module
 */

import { FREQUENCY_BITS, scaleCounts, SYMBOL_COUNT } from "./frequencies.ts";
import { bytesAt, halvesAt, take, withMemory, wordsAt } from "./kernel_memory.ts";
import { countRows, moveRows } from "./kernels.wasm";

/** Most tables of a block. */
export const TABLE_COUNT_MAX = 32;
/** A table for each of so many rows, if that is less. */
const ROWS_PER_TABLE = 32;
/** How often rows look for a better table. */
const ROUND_COUNT = 3;
/** Tables that a row looks at. */
const REACH = 16;
/** Parts of a bit in which costs are counted: 64 of the largest stay below 2^15. */
const COST_UNIT = 36;
/** Bits of a symbol that a table does not have. */
const ABSENT_BITS = FREQUENCY_BITS + 2;

/** Rows to be coded, in the memory of the kernels. */
export interface DifferenceRows {
  count: number;
  /** Address of u8 `[count][64]`. */
  differences: number;
  /** Address of u32 `[count]`: the size of each row's differences. */
  errors: number;
}

/**
 * Orders rows by the size of their differences, gives neighbours a table, and then lets each row
 * move to the nearby table that codes it in the fewest bits.
 *
 * @param tableOf Address of u8 `[count]`, written: index of each row's table.
 * @returns u16 `[tableCount][256]`, each table of a sum of 4096.
 */
export function chooseTables(rows: DifferenceRows, tableOf: number): Uint16Array {
  const { count } = rows;
  const tableCount = Math.max(1, Math.min(TABLE_COUNT_MAX, Math.floor(count / ROWS_PER_TABLE)));
  const stride = Math.max(REACH, Math.ceil(tableCount / 8) * 8);
  return withMemory(() => {
    const costs = take(2 * SYMBOL_COUNT * stride);
    const counts = take(4 * SYMBOL_COUNT * stride);
    orderByError(rows, tableOf, tableCount);
    for (let round = 0;; round++) {
      wordsAt(counts, SYMBOL_COUNT * stride).fill(0);
      countRows(rows.differences, count, tableOf, counts);
      const frequencies = new Uint16Array(SYMBOL_COUNT * tableCount);
      for (let table = 0; table < tableCount; table++) {
        scaleCounts(
          wordsAt(counts + 4 * SYMBOL_COUNT * table, SYMBOL_COUNT),
          frequencies.subarray(table * SYMBOL_COUNT, (table + 1) * SYMBOL_COUNT),
        );
      }
      if (round === ROUND_COUNT) return frequencies;
      writeCosts(halvesAt(costs, SYMBOL_COUNT * stride), { frequencies, stride });
      moveRows(rows.differences, count, tableOf, costs, stride);
    }
  });
}

/** By counting: errors are below 2^14. */
function orderByError(
  { count, errors }: DifferenceRows,
  tableOf: number,
  tableCount: number,
): void {
  const own = wordsAt(errors, count);
  const firsts = new Uint32Array(2 ** 14 + 1);
  for (const error of own) firsts[error + 1]++;
  for (let error = 1; error < firsts.length; error++) firsts[error] += firsts[error - 1];
  const tables = bytesAt(tableOf, count);
  for (let row = 0; row < count; row++) {
    tables[row] = Math.floor(firsts[own[row]]++ * tableCount / count);
  }
}

/** Costs u16 `[256][stride]` of all symbols in all tables; tables that are not there cost most. */
function writeCosts(
  costs: Uint16Array,
  { frequencies, stride }: { frequencies: Uint16Array; stride: number },
): void {
  costs.fill(COST_UNIT * ABSENT_BITS);
  for (let index = 0; index < frequencies.length; index++) {
    const frequency = frequencies[index];
    if (frequency === 0) continue;
    const bits = FREQUENCY_BITS - Math.log2(frequency);
    costs[(index & 255) * stride + (index >> 8)] = Math.round(COST_UNIT * bits);
  }
}
