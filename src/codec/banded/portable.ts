/**
 * Banded blocks as files and messages: FORMAT.md section 7.10. The static tables are not in them,
 * a checksum of the tables is: a reader has those of its own model and refuses a block of others.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import {
  OWN_WORD_COUNT,
  ownWords,
  readFrame,
  readRecords,
  refuseBlock,
  writeFrame,
} from "../portable_frame.ts";
import { checkBanded } from "./check.ts";
import { BandedLayout } from "./layout.ts";
import { type BandedTables, quantiserWords, readerWords } from "./tables.ts";

/** The version of blocks of banded records. */
export const BANDED_FORMAT_VERSION = 5;

/** A banded block of all layers, apart from any device. */
export interface PortableBanded {
  /** KV heads of each layer. */
  kvHeadCount: number;
  /** Channels per head. */
  headSize: number;
  /** Raw tokens at its start: those of the first block of a sequence, else 0. */
  sinkCount: number;
  /** One layer record each, by layer. */
  records: readonly Uint32Array[];
}

/**
 * CRC-32 of all that both ends know of a model's layers: what quantisers and readers are given, one
 * layer after the other.
 */
export function tablesChecksum(tables: readonly BandedTables[]): number {
  let checksum = 0;
  for (const layer of tables) {
    for (const { buffer } of [quantiserWords(layer), readerWords(layer)]) {
      checksum = crc32(new Uint8Array(buffer), checksum);
    }
  }
  return checksum;
}

/**
 * Writes a portable block, little-endian.
 *
 * @param tables Those of the model, by layer.
 * @throws {RangeError} if its parts do not fit each other; see {@link parsePortableBanded}.
 */
export function packPortableBanded(
  block: PortableBanded,
  tables: readonly BandedTables[],
): Uint8Array<ArrayBuffer> {
  const { kvHeadCount, headSize, sinkCount, records } = block;
  const own = [kvHeadCount, headSize, records.length, sinkCount, tablesChecksum(tables)];
  const padding = new Array<number>(OWN_WORD_COUNT - own.length).fill(0);
  const bytes = writeFrame(BANDED_FORMAT_VERSION, [...own, ...padding], records);
  parsePortableBanded(bytes, tables);
  return bytes;
}

/**
 * Reads a portable block.
 *
 * @param tables Those of the reader's model, by layer.
 * @throws {RangeError} if the bytes are not what a conforming packer with these tables writes:
 * magic, version, length, checksum, tables, limits, sizes that fit each other, and each record.
 */
export function parsePortableBanded(
  bytes: Uint8Array,
  tables: readonly BandedTables[],
): PortableBanded {
  const words = readFrame(BANDED_FORMAT_VERSION, bytes);
  const own = ownWords(words);
  const [kvHeadCount, headSize, layerCount, sinkCount, checksum] = own;
  if (own.subarray(5).some((word) => word !== 0)) refuseBlock("a reserved word is not zero");
  if (layerCount !== tables.length) {
    refuseBlock(`it has ${layerCount} layers, the model has ${tables.length}`);
  }
  const layout = new BandedLayout({ kvHeadCount, headSize, sinkCount });
  if (layout.channelCount !== tables[0].keyStep.length) {
    refuseBlock(
      `it has ${layout.channelCount} channels, the model has ${tables[0].keyStep.length}`,
    );
  }
  if (checksum !== tablesChecksum(tables)) refuseBlock("it was packed with other tables");
  const hasSinks = sinkCount > 0;
  const records = readRecords(words, layerCount, (record, layer) => {
    checkBanded(layout, record, { tables: tables[layer], hasSinks });
  });
  return { kvHeadCount, headSize, sinkCount, records };
}
