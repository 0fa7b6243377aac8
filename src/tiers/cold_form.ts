/**
 * Blocks of a cache in the cold form: FORMAT.md section 9.
 *
 * @module
 */

import { packCold } from "../codec/cold/pack_cold.ts";
import { parseCold } from "../codec/cold/parse_cold.ts";
import type { RecordRows } from "../codec/cold/record_rows.ts";
import type { LayerTurns } from "../codec/cold/turn.ts";
import { createCodec } from "../codec/profile.ts";
import { RawTileRows } from "../codec/raw_tile_rows.ts";
import { rawTileWords } from "../codec/record.ts";
import { type ItemKind, kindOfKey } from "../scheduler/block_key.ts";
import type { RecordSizes } from "../scheduler/block_memory.ts";
import type { BlockFormat, ColdFormat, StoredBlock } from "./block_format.ts";

type Kinds = Readonly<Record<ItemKind, RecordRows>>;

/** By format: hints are worked out once. */
const KINDS = new WeakMap<BlockFormat, Kinds>();

function kindsOf(format: BlockFormat, { tables }: ColdFormat): Kinds {
  const known = KINDS.get(format);
  if (known !== undefined) return known;
  const { rows: sealed } = createCodec(format, format.profile, tables);
  const kinds = { sealed, near: sealed, raw: new RawTileRows(format) };
  KINDS.set(format, kinds);
  return kinds;
}

/** Writes a block; null where the format has no cold form, or records have fewer than 64 tokens. */
export function packColdBlock(format: BlockFormat, block: StoredBlock): Uint8Array | null {
  const { cold } = format;
  if (cold === undefined || block.tokenCounts !== undefined) return null;
  const { key, words } = block;
  const kind = kindsOf(format, cold)[kindOfKey(key)];
  let start = 0;
  const records = partsOf(format, cold, block).map(({ layer, wordCount }) => {
    return { layer, words: words.subarray(start, start += wordCount) };
  });
  return packCold(kind, records, turnsOf(cold, key));
}

/**
 * Reads a block.
 *
 * @returns Its words, as many as the sizes say.
 * @throws {RangeError} naming what is wrong.
 */
export function parseColdBlock(
  format: BlockFormat,
  block: RecordSizes & { key: string },
  bytes: Uint8Array,
): Uint32Array<ArrayBuffer> {
  const { cold } = format;
  if (cold === undefined) throw new RangeError("Cannot read a cold block: there are no tables");
  const parts = partsOf(format, cold, block);
  const kind = kindsOf(format, cold)[kindOfKey(block.key)];
  const layers = parts.map(({ layer }) => layer);
  const records = parseCold(kind, layers, bytes, turnsOf(cold, block.key));
  const words = new Uint32Array(parts.reduce((sum, { wordCount }) => sum + wordCount, 0));
  let start = 0;
  for (const [index, { wordCount }] of parts.entries()) {
    if (records[index].length !== wordCount) {
      throw new RangeError(
        `Cannot read a cold block: record ${index} has ${records[index].length} words, ` +
          `must have ${wordCount}`,
      );
    }
    words.set(records[index], start);
    start += wordCount;
  }
  return words;
}

/** Those of a block: raw tiles are coded as they lie. */
function turnsOf({ turns }: ColdFormat, key: string): LayerTurns {
  return kindOfKey(key) === "raw" ? null : turns ?? null;
}

/** The records of a block that have words, or its raw tiles. */
function partsOf(
  format: BlockFormat,
  { layers }: ColdFormat,
  { key, recordWords }: RecordSizes & { key: string },
): { layer: number; wordCount: number }[] {
  if (kindOfKey(key) === "raw") {
    const wordCount = rawTileWords(format);
    const total = recordWords.reduce((sum, count) => sum + count, 0);
    if (total % wordCount !== 0) throw new RangeError(`${total} words are no whole tiles`);
    return Array.from({ length: total / wordCount }, () => ({ layer: 0, wordCount }));
  }
  if (recordWords.length !== layers.length) {
    throw new RangeError(`Cannot use ${recordWords.length} records of ${layers.length} stores`);
  }
  return recordWords.map((wordCount, store) => ({ layer: layers[store], wordCount }))
    .filter(({ wordCount }) => wordCount > 0);
}
