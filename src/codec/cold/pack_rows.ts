/**
 * Writing rows: records of a block without loss in fewer bytes, for where they only lie. FORMAT.md
 * sections 9.1 to 9.6. After KVComp (arXiv:2509.00579), which codes the quantised cache by entropy.
 *
 * @module
 */

import { chooseTables } from "./choose_tables.ts";
import { ROWS_VERSION, STATE_BYTES, STATE_MIN, TABLE_BITS } from "./cold_header.ts";
import { countClasses, tableAt, takeModels, writeClasses } from "./class_tables.ts";
import { SYMBOL_COUNT, writeFrequencies } from "./frequencies.ts";
import { bytesAt, take, withMemory, wordsAt } from "./kernel_memory.ts";
import { begin, end, predictRows, writeRows } from "./kernels.wasm";
import { type RecordRows, ROW_BYTES } from "./record_rows.ts";

/** A record of a layer. */
export interface LayerRecord {
  /** Layer of the model. */
  layer: number;
  /** The record as on the device. */
  words: Uint32Array;
}

/** Addresses of what is known of each row. */
interface Rows {
  count: number;
  differences: number;
  errors: number;
  /** Table and prediction. */
  modes: number;
  /** Bases, less what is foretold of them. */
  bases: number;
  classes: number;
}

/** Writes the records of a block as rows; readers must know their layers. */
export function packRows(kind: RecordRows, records: readonly LayerRecord[]): Uint8Array {
  return withMemory(() => {
    const { rows, rowCounts } = predictedRows(kind, records);
    const head: number[] = [];
    const { frequencies, classFrequencies, present } = chooseModels(rows);
    const tableCount = frequencies.length / SYMBOL_COUNT;
    head.push(ROWS_VERSION, tableCount - 1, present & 255, present >> 8);
    for (let table = 0; table < tableCount; table++) {
      writeFrequencies(tableAt(frequencies, table), head);
    }
    writeClasses({ classFrequencies, present }, head);
    for (const count of rowCounts) head.push(count & 255, count >> 8 & 255, count >> 16);
    if (head.length % 2 === 1) head.push(0);
    const codes = codeRows(rows, { frequencies, classFrequencies });
    const bytes = new Uint8Array(head.length + codes.length);
    bytes.set(head);
    bytes.set(codes, head.length);
    return bytes;
  });
}

/** The rows of all records, one after the other, foretold. */
function predictedRows(
  kind: RecordRows,
  records: readonly LayerRecord[],
): { rows: Rows; rowCounts: number[] } {
  const countMax = records.length * kind.rowCountMax;
  const rows = {
    count: 0,
    differences: take(countMax * ROW_BYTES),
    errors: take(countMax * 4),
    modes: take(countMax),
    bases: take(countMax),
    classes: take(countMax),
  };
  const rowCounts = records.map(({ layer, words }) =>
    withMemory(() => {
      const first = rows.count;
      take(1); // predictions look at the byte before
      const own = take(kind.rowCountMax * ROW_BYTES);
      const count = kind.split(words, layer, own);
      const [modes, bases] = [rows.modes + first, rows.bases + first];
      const differences = rows.differences + first * ROW_BYTES;
      predictRows(own, count, differences, rows.errors + 4 * first, modes, bases);
      const hints = kind.hints(layer);
      bytesAt(rows.classes + first, count).set(hints.classes.subarray(0, count));
      const own8 = bytesAt(bases, count);
      for (let row = 0; row < count; row++) own8[row] -= hints.centres[row];
      rows.count += count;
      return count;
    })
  );
  return { rows, rowCounts };
}

/** Tables of differences, and of modes and bases by class. */
function chooseModels(rows: Rows) {
  const { count } = rows;
  const tableOf = take(count);
  const frequencies = chooseTables(rows, tableOf);
  const [tables, modes] = [bytesAt(tableOf, count), bytesAt(rows.modes, count)];
  const [bases, classes] = [bytesAt(rows.bases, count), bytesAt(rows.classes, count)];
  for (let row = 0; row < count; row++) modes[row] = tables[row] | modes[row] << TABLE_BITS;
  return { frequencies, ...countClasses(classes, { modes, bases }) };
}

/** States, then what they left behind, in the order of reading. */
function codeRows(
  rows: Rows,
  models: { frequencies: Uint16Array; classFrequencies: Uint16Array },
): Uint8Array {
  const tables = takeModels(models.frequencies);
  const classes = takeModels(models.classFrequencies);
  const states = take(STATE_BYTES);
  const sizeMax = 2 * rows.count * (ROW_BYTES + 2);
  const units = take(sizeMax);
  const unitsEnd = units + sizeMax;
  wordsAt(states, STATE_BYTES / 4).fill(STATE_MIN);
  begin(states, unitsEnd, unitsEnd);
  const { differences, count, modes, bases } = rows;
  writeRows(differences, count, modes, bases, rows.classes, classes, tables);
  const start = end(states);
  const bytes = new Uint8Array(STATE_BYTES + unitsEnd - start);
  bytes.set(bytesAt(states, STATE_BYTES));
  bytes.set(bytesAt(start, unitsEnd - start), STATE_BYTES);
  return bytes;
}
