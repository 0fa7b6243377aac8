/**
 * Blocks as files and messages: a header, the records of all layers, a checksum. FORMAT.md
 * section 8. Bytes from outside are checked whole before anything is made of them.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT, type PaperProfile } from "../core/shapes.ts";
import { crc32 } from "./crc32.ts";
import { RecordLayout } from "./layout.ts";
import { codecProfile } from "./profile.ts";
import { checkRecord } from "./unpack.ts";

/** First word of a portable block: the bytes "PKVB". */
export const PORTABLE_MAGIC = 0x42564b50;
/** The version of the format this code writes, and the only one it reads. */
export const FORMAT_VERSION = 1;
/** Most layers of a portable block. */
export const LAYER_COUNT_MAX = 1024;
/** Words before the table of record sizes. */
const HEADER_WORDS = 12;
/** The word that holds the checksum; zero while it is computed. */
const CHECKSUM_WORD = 11;
const REPACK_RULES = ["none", "median", "greedy"] as const;

/** A packed block of all layers, apart from any device. */
export interface PortableBlock {
  /** KV heads of each layer. */
  kvHeadCount: number;
  /** Channels per head. */
  headSize: number;
  /** Tokens present, 1 to 64. */
  tokenCount: number;
  /** Steps are f32 values. */
  profile: PaperProfile;
  /** One layer record each, by layer. */
  records: readonly Uint32Array[];
}

/**
 * Writes a portable block, little-endian.
 *
 * @throws {RangeError} if its parts do not fit each other; see {@link parsePortable}.
 */
export function packPortable(block: PortableBlock): Uint8Array<ArrayBuffer> {
  const { kvHeadCount, headSize, tokenCount, profile, records } = block;
  const recordWords = records.reduce((sum, record) => sum + record.length, 0);
  const wordCount = HEADER_WORDS + records.length + recordWords;
  const bytes = new Uint8Array(wordCount * 4);
  const view = new DataView(bytes.buffer);
  const put = (word: number, value: number) => view.setUint32(word * 4, value, true);
  const layout = RecordLayout.forProfile(block, profile);
  const codecWord = layout.packSize | (layout.keyBits << 8) | (layout.valueBits << 16) |
    (REPACK_RULES.indexOf(profile.repack) << 24);
  const header = [PORTABLE_MAGIC, FORMAT_VERSION, wordCount, kvHeadCount, headSize, records.length];
  for (const [word, value] of [...header, tokenCount, codecWord].entries()) put(word, value);
  view.setFloat32(8 * 4, profile.keyRel, true);
  view.setFloat32(9 * 4, profile.valueRel, true);
  let start = HEADER_WORDS + records.length;
  for (const [layer, record] of records.entries()) {
    put(HEADER_WORDS + layer, record.length);
    for (const [index, word] of record.entries()) put(start + index, word);
    start += record.length;
  }
  put(CHECKSUM_WORD, crc32(bytes));
  parsePortable(bytes);
  return bytes;
}

/**
 * Reads a portable block.
 *
 * @throws {RangeError} if the bytes are not what a conforming packer writes: magic, version,
 * length, checksum, limits, sizes that fit each other, and each record.
 */
export function parsePortable(bytes: Uint8Array): PortableBlock {
  const words = wordsOf(bytes);
  const { layout, profile, layerCount, tokenCount } = parseHeader(words);
  const records: Uint32Array[] = [];
  let start = HEADER_WORDS + layerCount;
  if (start > words.length) refuse("its table of records is cut");
  for (let layer = 0; layer < layerCount; layer++) {
    const end = start + words[HEADER_WORDS + layer];
    if (end > words.length) refuse(`the record of layer ${layer} is cut`);
    const record = words.slice(start, end);
    checkRecord(layout, record, tokenCount);
    records.push(record);
    start = end;
  }
  if (start !== words.length) refuse(`its records end at word ${start} of ${words.length}`);
  const { kvHeadCount, headSize } = layout;
  return { kvHeadCount, headSize, tokenCount, profile, records };
}

/** The words of a block whose length, magic, version and checksum are right. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  if (bytes.length % 4 !== 0 || bytes.length < HEADER_WORDS * 4) {
    refuse(`${bytes.length} bytes are no whole header`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (index: number) => view.getUint32(index * 4, true);
  const words = Uint32Array.from({ length: bytes.length / 4 }, (_, index) => word(index));
  if (words[0] !== PORTABLE_MAGIC) refuse("it does not begin with PKVB");
  if (words[1] !== FORMAT_VERSION) refuse(`it has version ${words[1]}, must be ${FORMAT_VERSION}`);
  if (words[2] !== words.length) {
    refuse(`it has ${words.length} words, its header says ${words[2]}`);
  }
  const zeroed = bytes.slice();
  zeroed.fill(0, CHECKSUM_WORD * 4, CHECKSUM_WORD * 4 + 4);
  if (words[CHECKSUM_WORD] !== crc32(zeroed)) refuse("its checksum does not match");
  return words;
}

function parseHeader(words: Uint32Array) {
  const [, , , kvHeadCount, headSize, layerCount, tokenCount, codec] = words;
  const [keyRel, valueRel] = new Float32Array(words.slice(8, 10).buffer);
  if (layerCount < 1 || layerCount > LAYER_COUNT_MAX) refuse(`it has ${layerCount} layers`);
  if (tokenCount < 1 || tokenCount > BLOCK_TOKEN_COUNT) refuse(`it has ${tokenCount} tokens`);
  if (words[10] !== 0) refuse("its reserved word is not zero");
  const repack = REPACK_RULES[codec >>> 24] ?? refuse(`it has repack rule ${codec >>> 24}`);
  const profile = codecProfile({ name: "paper", keyRel, valueRel, packSize: codec & 255, repack });
  if (profile.name !== "paper") refuse("it is not packed as published");
  const layout = RecordLayout.forProfile({ kvHeadCount, headSize }, profile);
  if (layout.keyBits !== ((codec >>> 8) & 255) || layout.valueBits !== ((codec >>> 16) & 255)) {
    refuse("its code bits do not follow from its steps");
  }
  return { layout, profile, layerCount, tokenCount };
}

function refuse(what: string): never {
  throw new RangeError(`Cannot read a block: ${what}`);
}
