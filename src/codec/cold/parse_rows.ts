/**
 * Reading rows. FORMAT.md sections 9.1 to 9.6.
 *
 * @module
 */

import {
  HEADER_BYTES,
  ROW_COUNT_BYTES,
  ROWS_VERSION,
  STATE_BYTES,
  STATE_MIN,
  TABLE_BITS,
} from "./cold_header.ts";
import { readClasses, SLOTS_BYTES } from "./class_tables.ts";
import { readFrequencies, SYMBOL_COUNT } from "./frequencies.ts";
import { bytesAt, halvesAt, take, withMemory, wordsAt } from "./kernel_memory.ts";
import { begin, end, fillSlots, readRows } from "./kernels.wasm";
import { type RecordRows, ROW_BYTES } from "./record_rows.ts";

/** A row reads no more beyond the end before it is seen. */
const SLACK_BYTES = 2 * (ROW_BYTES + 2);

/**
 * Reads the records of a block.
 *
 * @param layers Their layers, in order.
 * @throws {RangeError} if the bytes are none that `packRows` writes.
 */
export function parseRows(
  kind: RecordRows,
  layers: readonly number[],
  bytes: Uint8Array,
): Uint32Array[] {
  if (bytes.length < HEADER_BYTES) refuse(`${bytes.length} bytes are no header`);
  if (bytes[0] !== ROWS_VERSION) {
    refuse(`it has version ${bytes[0]}, must be ${ROWS_VERSION}`);
  }
  return withMemory(() => {
    const { tables, tableCount, classSlots, at } = readTables(bytes);
    const rowCounts = readRowCounts(kind, bytes.subarray(at, at + ROW_COUNT_BYTES * layers.length));
    if (rowCounts.length < layers.length) refuse("its row counts are cut");
    let start = at + ROW_COUNT_BYTES * layers.length;
    if (start % 2 === 1 && bytes[start++] !== 0) refuse("its padding is not zero");
    const finish = startCodes(bytes.subarray(start));
    const records = layers.map((layer, index) =>
      withMemory(() => {
        const count = rowCounts[index];
        const hints = kind.hints(layer);
        const [classes, centres] = [take(count), take(count)];
        const rows = take(count * ROW_BYTES);
        bytesAt(classes, count).set(hints.classes.subarray(0, count));
        bytesAt(centres, count).set(hints.centres.subarray(0, count));
        const wrong = readRows(rows, count, classes, centres, classSlots, tables, tableCount);
        if (wrong > 0) refuse(`row ${wrong - 1} of record ${index} is wrong`);
        return kind.join({ at: rows, count }, layer);
      })
    );
    finish();
    return records;
  });
}

/** Tables of differences, one after the other, and addresses of those of classes. */
function readTables(bytes: Uint8Array) {
  const tableCount = bytes[1] + 1;
  if (tableCount > 1 << TABLE_BITS) refuse(`it has ${tableCount} tables`);
  const present = bytes[2] | bytes[3] << 8;
  const tables = take(tableCount * SLOTS_BYTES);
  const frequencies = take(2 * SYMBOL_COUNT);
  let at = HEADER_BYTES;
  for (let table = 0; table < tableCount; table++) {
    at = readFrequencies(bytes, at, halvesAt(frequencies, SYMBOL_COUNT));
    fillSlots(frequencies, tables + table * SLOTS_BYTES);
  }
  const { classSlots, end } = readClasses(bytes, at, present);
  return { tables, tableCount, classSlots, at: end };
}

function readRowCounts(kind: RecordRows, bytes: Uint8Array): number[] {
  const counts: number[] = [];
  for (let at = 0; at + ROW_COUNT_BYTES <= bytes.length; at += ROW_COUNT_BYTES) {
    const count = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16;
    if (count < 1 || count > kind.rowCountMax) refuse(`a record has ${count} rows`);
    counts.push(count);
  }
  return counts;
}

/** Sets the range coder to the codes; what it returns checks that they end where it is. */
function startCodes(codes: Uint8Array): () => void {
  if (codes.length < STATE_BYTES || codes.length % 2 === 1) refuse("its codes are cut");
  const states = take(codes.length + SLACK_BYTES);
  bytesAt(states, codes.length).set(codes);
  const isState = (x: number) => x >= STATE_MIN && x < 2 ** 31;
  if (!wordsAt(states, STATE_BYTES / 4).every(isState)) refuse("a state is out of range");
  const unitsEnd = states + codes.length;
  begin(states, states + STATE_BYTES, unitsEnd);
  return () => {
    const isDone = end(states) === unitsEnd;
    const areDone = wordsAt(states, STATE_BYTES / 4).every((x) => x === STATE_MIN);
    if (!isDone || !areDone) refuse("its codes do not end where its rows do");
  };
}

function refuse(what: string): never {
  throw new RangeError(`Cannot read a cold block: ${what}`);
}
