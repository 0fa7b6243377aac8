/**
 * The channels of all records of a block, in the memory of the kernels.
 *
 * @module
 */

import { bytesAt, take, wordsAt } from "./kernel_memory.ts";
import { type RecordRows, ROW_BYTES } from "./record_rows.ts";
import type { LayerTurns } from "./turn.ts";
import { TakenTurns } from "./turns.ts";

/** Addresses of what is known of each row. */
export interface Channels {
  /** Rows of all records. */
  count: number;
  /** u8 `[count][64]`. */
  rows: number;
  /** u8 `[count]`. */
  classes: number;
  /** u8 `[count]`. */
  centres: number;
  /** u32 `[count / 2]`, by pair of rows. */
  turns: number;
  /** Address of the rows of a record. */
  rowsOf(index: number): number;
}

/** Takes rows for records of these layers, and fills in what both ends know of them. */
export function takeChannels(
  kind: RecordRows,
  layers: readonly number[],
  layerTurns: LayerTurns,
): Channels {
  const own = kind.channelRowCount;
  const count = layers.length * own;
  const rows = take(count * ROW_BYTES);
  const [classes, centres, turns] = [take(count), take(count), take(2 * count)];
  const taken = new TakenTurns(layers.map((layer) => layerTurns?.[layer] ?? null));
  for (const [index, layer] of layers.entries()) {
    const hints = kind.hints(layer);
    bytesAt(classes + index * own, own).set(hints.classes.subarray(0, own));
    bytesAt(centres + index * own, own).set(hints.centres.subarray(0, own));
    const addresses = wordsAt(turns + 2 * index * own, own / 2);
    taken.writeAddresses(layerTurns?.[layer] ?? null, addresses);
  }
  const rowsOf = (index: number) => rows + index * own * ROW_BYTES;
  return { count, rows, classes, centres, turns, rowsOf };
}
