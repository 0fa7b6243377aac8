/**
 * Reading the cold form. FORMAT.md section 9.
 *
 * @module
 */

import { CHANNELS_VERSION, ROWS_VERSION, STATE_BYTES, STATE_MIN } from "./cold_header.ts";
import { readyTables } from "./channel_tables.ts";
import { takeChannels } from "./channels.ts";
import { readClasses } from "./class_tables.ts";
import { bytesAt, take, withMemory, wordsAt } from "./kernel_memory.ts";
import { beginChannels, endChannels, readChannels } from "./kernels.wasm";
import { parseRows } from "./parse_rows.ts";
import { type RecordRows, RestRows, ROW_BYTES } from "./record_rows.ts";
import type { LayerTurns } from "./turn.ts";
import { checksumOf } from "./turns.ts";

/** Version, classes, and three words: checksum of turns, bytes of other rows, of units. */
const HEADER_BYTES = 16;
/** Two rows read no more beyond the end before it is seen. */
const SLACK_BYTES = 1024;

/**
 * Reads the records of a block.
 *
 * @param layers Their layers, in order.
 * @param turns Those that they were written with.
 * @throws {RangeError} if the bytes are none that `packCold` writes.
 */
export function parseCold(
  kind: RecordRows,
  layers: readonly number[],
  bytes: Uint8Array,
  turns: LayerTurns = null,
): Uint32Array[] {
  if (bytes[0] !== CHANNELS_VERSION) return parseRows(kind, layers, bytes);
  if (kind.channelRowCount === 0) {
    refuse(`it has version ${CHANNELS_VERSION}, of this codec must be ${ROWS_VERSION}`);
  }
  return withMemory(() => parseChannels(kind, { layers, turns }, bytes));
}

function parseChannels(
  kind: RecordRows,
  { layers, turns }: { layers: readonly number[]; turns: LayerTurns },
  bytes: Uint8Array,
): Uint32Array[] {
  if (bytes.length < HEADER_BYTES) refuse(`${bytes.length} bytes are no header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[1] !== 0) refuse(`its second byte is ${bytes[1]}, must be 0`);
  if (view.getUint32(4, true) !== checksumOf(turns, layers)) {
    refuse("it was written for other turns of keys");
  }
  const [restBytes, unitBytes] = [view.getUint32(8, true), view.getUint32(12, true)];
  readyTables();
  const { classSlots, end } = readClasses(bytes, HEADER_BYTES, view.getUint16(2, true));
  let start = end + restBytes;
  if (start > bytes.length) refuse("its other rows are cut");
  const rest = parseRows(new RestRows(kind), layers, bytes.subarray(end, start));
  if ((start - HEADER_BYTES) % 2 === 1 && bytes[start++] !== 0) refuse("its padding is not zero");
  const finish = startCodes(bytes.subarray(start), unitBytes);
  const channels = takeChannels(kind, layers, turns);
  const own = kind.channelRowCount;
  const wrong = readChannels(
    ...[channels.rows, channels.count, channels.classes, channels.centres] as const,
    ...[classSlots, channels.turns, finish.unitsEnd, finish.bytesEnd] as const,
  );
  if (wrong > 0) {
    refuse(`row ${(wrong - 1) % own} of record ${Math.floor((wrong - 1) / own)} is wrong`);
  }
  finish.check();
  return layers.map((layer, index) =>
    withMemory(() => {
      const restRows = rest[index].length * 4 / ROW_BYTES;
      const at = take((own + restRows) * ROW_BYTES);
      bytesAt(at, own * ROW_BYTES).set(bytesAt(channels.rowsOf(index), own * ROW_BYTES));
      wordsAt(at + own * ROW_BYTES, rest[index].length).set(rest[index]);
      return kind.join({ at, count: own + restRows }, layer);
    })
  );
}

/** Sets the coder to the codes; `check` sees that they end where they are. */
function startCodes(codes: Uint8Array, unitBytes: number) {
  if (unitBytes < STATE_BYTES || unitBytes % 2 === 1 || unitBytes > codes.length) {
    refuse("its codes are cut");
  }
  const states = take(codes.length + SLACK_BYTES);
  bytesAt(states, codes.length).set(codes);
  const isState = (x: number) => x >= STATE_MIN && x < 2 ** 31;
  if (!wordsAt(states, STATE_BYTES / 4).every(isState)) refuse("a state is out of range");
  const unitsEnd = states + unitBytes;
  const bytesEnd = states + codes.length;
  beginChannels(states, states + STATE_BYTES, unitsEnd);
  const check = () => {
    const ends = take(STATE_BYTES + 8);
    endChannels(ends);
    const areDone = wordsAt(ends, STATE_BYTES / 4).every((x) => x === STATE_MIN);
    const [unitsAt, bytesReached] = wordsAt(ends + STATE_BYTES, 2);
    if (!areDone || unitsAt !== unitsEnd || bytesReached !== bytesEnd) {
      refuse("its codes do not end where its rows do");
    }
  };
  return { unitsEnd, bytesEnd, check };
}

function refuse(what: string): never {
  throw new RangeError(`Cannot read a cold block: ${what}`);
}
