/**
 * What portable blocks of all versions have in common: magic, version, length, checksum and the
 * sizes of their records. FORMAT.md section 4.
 *
 * @module
 */

import { crc32 } from "node:zlib";

/** First word of a portable block: the bytes "PKVB". */
export const PORTABLE_MAGIC = 0x42564b50;
/** Most layers of a portable block. */
export const LAYER_COUNT_MAX = 1024;
/** Words before the table of record sizes. */
const HEADER_WORDS = 12;
/** First word of the header that a version fills as it likes; they end before the checksum. */
const OWN_WORD = 3;
/** The word that holds the checksum; zero while it is computed. */
const CHECKSUM_WORD = 11;
/** Words of a header that are a version's own. */
export const OWN_WORD_COUNT: number = CHECKSUM_WORD - OWN_WORD;

/**
 * Writes a block, little-endian.
 *
 * @param own The header's words that the version defines, `[8]`.
 * @param records By layer.
 */
export function writeFrame(
  version: number,
  own: readonly number[],
  records: readonly Uint32Array[],
): Uint8Array<ArrayBuffer> {
  const recordWords = records.reduce((sum, record) => sum + record.length, 0);
  const wordCount = HEADER_WORDS + records.length + recordWords;
  const bytes = new Uint8Array(wordCount * 4);
  const view = new DataView(bytes.buffer);
  const put = (word: number, value: number) => view.setUint32(word * 4, value, true);
  [PORTABLE_MAGIC, version, wordCount, ...own].forEach((value, word) => put(word, value));
  let start = HEADER_WORDS + records.length;
  for (const [layer, record] of records.entries()) {
    put(HEADER_WORDS + layer, record.length);
    for (let index = 0; index < record.length; index++) put(start + index, record[index]);
    start += record.length;
  }
  put(CHECKSUM_WORD, crc32(bytes));
  return bytes;
}

/**
 * The words of a block whose length, magic, version and checksum are right.
 *
 * @throws {RangeError} naming the first that is not.
 */
export function readFrame(version: number, bytes: Uint8Array): Uint32Array {
  if (bytes.length % 4 !== 0 || bytes.length < HEADER_WORDS * 4) {
    refuseBlock(`${bytes.length} bytes are no whole header`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = new Uint32Array(bytes.length / 4);
  for (let index = 0; index < words.length; index++) words[index] = view.getUint32(4 * index, true);
  if (words[0] !== PORTABLE_MAGIC) refuseBlock("it does not begin with PKVB");
  if (words[1] !== version) refuseBlock(`it has version ${words[1]}, must be ${version}`);
  if (words[2] !== words.length) {
    refuseBlock(`it has ${words.length} words, its header says ${words[2]}`);
  }
  if (words[CHECKSUM_WORD] !== checksum(bytes)) refuseBlock("its checksum does not match");
  return words;
}

/** CRC-32 of a block as it was while its checksum was computed: zero in that word's place. */
function checksum(bytes: Uint8Array): number {
  const before = crc32(bytes.subarray(0, CHECKSUM_WORD * 4));
  const behind = bytes.subarray((CHECKSUM_WORD + 1) * 4);
  return crc32(behind, crc32(new Uint8Array(4), before));
}

/** The header's words that the version defines, `[8]`. */
export function ownWords(words: Uint32Array): Uint32Array<ArrayBuffer> {
  return words.slice(OWN_WORD, CHECKSUM_WORD);
}

/**
 * The records of a block.
 *
 * @param check Throws unless a record of a layer is valid.
 *
 * @throws {RangeError} if there are too many or few layers, or they do not fill the block exactly.
 */
export function readRecords(
  words: Uint32Array,
  layerCount: number,
  check: (record: Uint32Array, layer: number) => void,
): Uint32Array[] {
  if (layerCount < 1 || layerCount > LAYER_COUNT_MAX) refuseBlock(`it has ${layerCount} layers`);
  const records: Uint32Array[] = [];
  let start = HEADER_WORDS + layerCount;
  if (start > words.length) refuseBlock("its table of records is cut");
  for (let layer = 0; layer < layerCount; layer++) {
    const end = start + words[HEADER_WORDS + layer];
    if (end > words.length) refuseBlock(`the record of layer ${layer} is cut`);
    const record = words.slice(start, end);
    check(record, layer);
    records.push(record);
    start = end;
  }
  if (start !== words.length) refuseBlock(`its records end at word ${start} of ${words.length}`);
  return records;
}

/** Throws the refusal of a block. */
export function refuseBlock(what: string): never {
  throw new RangeError(`Cannot read a block: ${what}`);
}
