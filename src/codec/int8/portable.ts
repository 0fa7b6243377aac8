/**
 * Int8 blocks as files and messages: FORMAT.md section 8.
 *
 * @module
 */

import {
  OWN_WORD_COUNT,
  ownWords,
  readFrame,
  readRecords,
  refuseBlock,
  writeFrame,
} from "../portable_frame.ts";
import { Int8Layout } from "./layout.ts";
import { checkInt8 } from "./record.ts";

/** The version of blocks of int8 records. */
export const INT8_FORMAT_VERSION = 3;

/** A block of all layers, apart from any device. */
export interface PortableInt8 {
  /** KV heads of each layer. */
  kvHeadCount: number;
  /** Channels per head. */
  headSize: number;
  /** One record each, by layer. */
  records: readonly Uint32Array[];
}

/**
 * Writes a portable block, little-endian.
 *
 * @throws {RangeError} if its parts do not fit each other; see {@link parsePortableInt8}.
 */
export function packPortableInt8(block: PortableInt8): Uint8Array<ArrayBuffer> {
  const { kvHeadCount, headSize, records } = block;
  const own = [kvHeadCount, headSize, records.length];
  const padding = new Array<number>(OWN_WORD_COUNT - own.length).fill(0);
  const bytes = writeFrame(INT8_FORMAT_VERSION, [...own, ...padding], records);
  parsePortableInt8(bytes);
  return bytes;
}

/**
 * Reads a portable block.
 *
 * @throws {RangeError} if the bytes are not what a conforming packer writes.
 */
export function parsePortableInt8(bytes: Uint8Array): PortableInt8 {
  const words = readFrame(INT8_FORMAT_VERSION, bytes);
  const own = ownWords(words);
  const [kvHeadCount, headSize, layerCount] = own;
  if (own.subarray(3).some((word) => word !== 0)) refuseBlock("a reserved word is not zero");
  const layout = new Int8Layout({ kvHeadCount, headSize });
  const records = readRecords(words, layerCount, (record) => checkInt8(layout, record));
  return { kvHeadCount, headSize, records };
}
