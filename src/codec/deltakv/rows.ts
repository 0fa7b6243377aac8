/**
 * A DeltaKV record as rows: those of the paper record, then the bytes of a head with a table.
 * FORMAT.md section 9.2.
 *
 * @module
 */

import { divCeil, WORD_SIZE_BYTES } from "../../core/shapes.ts";
import { bytesAt } from "../cold/kernel_memory.ts";
import { type RecordRows, ROW_BYTES, type RowHints } from "../cold/record_rows.ts";
import { PaperRows } from "../paper/rows.ts";
import type { DeltaKvLayout } from "./layout.ts";
import { checkDeltaKv } from "./record.ts";

/** Splits DeltaKV records. */
export class DeltaKvRows implements RecordRows {
  readonly rowCountMax: number;
  readonly channelRowCount = 0;
  #layout: DeltaKvLayout;
  #paper: PaperRows;
  #hints: RowHints;

  /** Of a layout. */
  constructor(layout: DeltaKvLayout) {
    this.#layout = layout;
    this.#paper = new PaperRows(layout.paper);
    const headRows = divCeil(layout.headWords(true) * WORD_SIZE_BYTES, ROW_BYTES);
    this.rowCountMax = this.#paper.rowCountMax + headRows;
    const { classes: own } = this.#paper.hints();
    const classes = new Uint8Array(this.rowCountMax).fill(Math.max(...own) + 1);
    classes.set(own);
    this.#hints = { classes, centres: new Uint8Array(this.rowCountMax) };
  }

  hints(): RowHints {
    return this.#hints;
  }

  split(record: Uint32Array, layer: number, rows: number): number {
    const hasTable = this.#layout.hasTable(record);
    const headWords = this.#layout.headWords(hasTable);
    const paperRows = this.#paper.split(record.subarray(headWords), layer, rows);
    if (!hasTable) return paperRows;
    const at = rows + paperRows * ROW_BYTES;
    const bytes = bytesAt(at, (this.rowCountMax - paperRows) * ROW_BYTES).fill(0);
    const head = record.slice(0, headWords);
    bytes.set(new Uint8Array(head.buffer));
    return this.rowCountMax;
  }

  join({ at, count }: { at: number; count: number }): Uint32Array {
    const { rowCountMax: paperRows } = this.#paper;
    if (count !== paperRows && count !== this.rowCountMax) {
      throw new RangeError(`Cannot make a record of ${count} rows`);
    }
    const body = this.#paper.join({ at, count: paperRows });
    const hasTable = count === this.rowCountMax;
    const head = new Uint32Array(this.#layout.headWords(hasTable));
    if (hasTable) {
      const bytes = bytesAt(at + paperRows * ROW_BYTES, (count - paperRows) * ROW_BYTES);
      new Uint8Array(head.buffer).set(bytes.subarray(0, head.byteLength));
      const isEmpty = !this.#layout.hasTable(head);
      if (isEmpty || bytes.subarray(head.byteLength).some((byte) => byte !== 0)) {
        throw new RangeError("Cannot make a record: its head is none");
      }
    }
    const record = new Uint32Array(head.length + body.length);
    record.set(head);
    record.set(body, head.length);
    checkDeltaKv(this.#layout, record);
    return record;
  }
}
