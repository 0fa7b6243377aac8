/**
 * Writing the cold form: records of a block without loss in fewer bytes, for where they only lie.
 * FORMAT.md section 9. After KVComp (arXiv:2509.00579), which codes the quantised cache by entropy.
 *
 * @module
 */

import { CHANNELS_VERSION, STATE_BYTES, STATE_MIN } from "./cold_header.ts";
import { countClasses, takeModels, writeClasses } from "./class_tables.ts";
import { readyTables } from "./channel_tables.ts";
import { bytesAt, take, withMemory, wordsAt } from "./kernel_memory.ts";
import {
  amplitudeSymbols,
  beginChannels,
  chooseChannels,
  endChannels,
  writeChannels,
} from "./kernels.wasm";
import { type LayerRecord, packRows } from "./pack_rows.ts";
import { type RecordRows, RestRows, ROW_BYTES } from "./record_rows.ts";
import type { LayerTurns } from "./turn.ts";
import { checksumOf } from "./turns.ts";
import { type Channels, takeChannels } from "./channels.ts";

/** Most bytes of a row beside its codes' units: shifts or low bits, escapes, an amplitude. */
const OWN_BYTES_MAX = 5 * 8 + ROW_BYTES + 2;

/** Writes the records of a block; readers must know their layers and turns. */
export function packCold(
  kind: RecordRows,
  records: readonly LayerRecord[],
  turns: LayerTurns = null,
): Uint8Array {
  if (kind.channelRowCount === 0) return packRows(kind, records);
  return withMemory(() => {
    readyTables();
    const layers = records.map(({ layer }) => layer);
    const channels = takeChannels(kind, layers, turns);
    const rest = records.map(({ layer, words }, index) => {
      return { layer, words: splitRecord(kind, { layer, words }, channels.rowsOf(index)) };
    });
    const restBytes = packRows(new RestRows(kind), rest);
    const { head, present, units, own } = codeChannels(channels);
    const frequencyBytes = head.length;
    const unitsStart = 16 + frequencyBytes + restBytes.length +
      (frequencyBytes + restBytes.length) % 2;
    const bytes = new Uint8Array(unitsStart + units.length + own.length);
    const view = new DataView(bytes.buffer);
    bytes[0] = CHANNELS_VERSION;
    view.setUint16(2, present, true);
    view.setUint32(4, checksumOf(turns, layers), true);
    view.setUint32(8, restBytes.length, true);
    view.setUint32(12, units.length, true);
    bytes.set(head, 16);
    bytes.set(restBytes, 16 + frequencyBytes);
    bytes.set(units, unitsStart);
    bytes.set(own, unitsStart + units.length);
    return bytes;
  });
}

/** Splits a record: its channels to where they are coded, the bytes of its other rows. */
function splitRecord(kind: RecordRows, { layer, words }: LayerRecord, to: number): Uint32Array {
  return withMemory(() => {
    take(1);
    const rows = take(kind.rowCountMax * ROW_BYTES);
    const restCount = kind.split(words, layer, rows) - kind.channelRowCount;
    const size = kind.channelRowCount * ROW_BYTES;
    bytesAt(to, size).set(bytesAt(rows, size));
    return wordsAt(rows + size, restCount * ROW_BYTES / 4).slice();
  });
}

function codeChannels(channels: Channels) {
  const { rows, count, centres, turns } = channels;
  const [amplitudes, modes, bases] = [take(2 * count), take(count), take(count)];
  chooseChannels(rows, count, centres, turns, amplitudes, modes);
  amplitudeSymbols(amplitudes, count, bases);
  const tables = countClasses(bytesAt(channels.classes, count), {
    modes: bytesAt(modes, count),
    bases: bytesAt(bases, count),
  });
  const head: number[] = [];
  writeClasses(tables, head);
  const models = takeModels(tables.classFrequencies);
  const states = take(STATE_BYTES + 8);
  const units = take(2 * count * (ROW_BYTES / 2 + 2));
  const unitsEnd = units + 2 * count * (ROW_BYTES / 2 + 2);
  const own = take(count * OWN_BYTES_MAX);
  const ownEnd = own + count * OWN_BYTES_MAX;
  wordsAt(states, STATE_BYTES / 4).fill(STATE_MIN);
  beginChannels(states, unitsEnd, ownEnd);
  writeChannels(rows, count, channels.classes, centres, models, turns, amplitudes, modes);
  endChannels(states);
  const [unitsStart, ownStart] = wordsAt(states + STATE_BYTES, 2);
  const coded = new Uint8Array(STATE_BYTES + unitsEnd - unitsStart);
  coded.set(bytesAt(states, STATE_BYTES));
  coded.set(bytesAt(unitsStart, unitsEnd - unitsStart), STATE_BYTES);
  const ownBytes = bytesAt(ownStart, ownEnd - ownStart).slice();
  return { head, present: tables.present, units: coded, own: ownBytes };
}
