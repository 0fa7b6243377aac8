/**
 * A block of all stores as a file of the disk tier: a header that names block and cache, then the
 * block; all of it under one checksum.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { portableForm } from "../codec/profile.ts";
import { BLOCK_TOKEN_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { kindOfKey } from "../scheduler/block_key.ts";
import type { BlockFormat, StoredBlock } from "./block_format.ts";
import { packColdBlock, parseColdBlock } from "./cold_form.ts";

/** First word of a file: the bytes "PKVT". */
const MAGIC = 0x54564b50;
const FILE_VERSION = 1;
/** Magic, version, form, stores, payload bytes, checksum, root and key as 32 + 40 bytes. */
const HEADER_BYTES = 6 * WORD_SIZE_BYTES + 32 + 40;
const CHECKSUM_OFFSET = 5 * WORD_SIZE_BYTES;
/** Bits of the words of a record; those above are the tokens it has fewer than 64. */
const WORD_COUNT_BITS = 24;
const FORMS = ["words", "portable", "cold"] as const;

/**
 * Writes a block: in the cold form if that is smaller; else in its codec's portable form, which
 * stands by itself. Where there is none, and for records of fewer than 64 tokens, the words of the
 * device.
 */
export function packBlockFile(format: BlockFormat, block: StoredBlock): Uint8Array<ArrayBuffer> {
  const { key, recordWords, tokenCounts } = block;
  const { form, payload } = packPayload(format, block);
  const tableBytes = recordWords.length * WORD_SIZE_BYTES;
  const bytes = new Uint8Array(HEADER_BYTES + tableBytes + payload.length);
  const view = new DataView(bytes.buffer);
  const formIndex = FORMS.indexOf(form);
  const header = [MAGIC, FILE_VERSION, formIndex, recordWords.length, payload.length];
  header.forEach((value, word) => view.setUint32(word * WORD_SIZE_BYTES, value, true));
  const name = new TextEncoder();
  name.encodeInto(format.root, bytes.subarray(CHECKSUM_OFFSET + 4));
  name.encodeInto(key, bytes.subarray(CHECKSUM_OFFSET + 4 + 32));
  recordWords.forEach((count, store) => {
    const missing = BLOCK_TOKEN_COUNT - (tokenCounts?.[store] ?? BLOCK_TOKEN_COUNT);
    const size = count | missing << WORD_COUNT_BITS;
    view.setUint32(HEADER_BYTES + store * WORD_SIZE_BYTES, size, true);
  });
  bytes.set(payload, HEADER_BYTES + tableBytes);
  view.setUint32(CHECKSUM_OFFSET, crc32(bytes), true);
  return bytes;
}

function packPayload(
  format: BlockFormat,
  block: StoredBlock,
): { form: (typeof FORMS)[number]; payload: Uint8Array } {
  const { key, tokenCounts, words } = block;
  const cold = packColdBlock(format, block);
  if (cold !== null && cold.length < words.byteLength) return { form: "cold", payload: cold };
  const isWhole = kindOfKey(key) !== "raw" && tokenCounts === undefined;
  const portable = isWhole ? portableForm(format, format.profile) : null;
  if (portable) return { form: "portable", payload: portable.pack(sealedRecords(block)) };
  return {
    form: "words",
    payload: new Uint8Array(words.buffer, words.byteOffset, words.byteLength),
  };
}

/**
 * Reads a block.
 *
 * @throws {RangeError} If the bytes are not those of this block of this cache, whole and unchanged.
 */
export function parseBlockFile(
  format: BlockFormat,
  key: string,
  bytes: Uint8Array<ArrayBuffer>,
): StoredBlock {
  const refuse = (what: string): never => {
    throw new RangeError(`Cannot read block ${key}: ${what}`);
  };
  if (bytes.length < HEADER_BYTES) refuse(`${bytes.length} bytes are no whole header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (index: number) => view.getUint32(index * WORD_SIZE_BYTES, true);
  if (word(0) !== MAGIC) refuse("it does not begin with PKVT");
  if (word(1) !== FILE_VERSION) refuse(`it has version ${word(1)}, must be ${FILE_VERSION}`);
  const [form, storeCount, payloadBytes] = [FORMS[word(2)], word(3), word(4)];
  if (form === undefined) refuse(`it has form ${word(2)}, which this version does not know`);
  const payloadStart = HEADER_BYTES + storeCount * WORD_SIZE_BYTES;
  if (bytes.length !== payloadStart + payloadBytes) refuse("it is cut, or longer than it says");
  const zeroed = bytes.slice();
  zeroed.fill(0, CHECKSUM_OFFSET, CHECKSUM_OFFSET + 4);
  if (word(5) !== crc32(zeroed)) refuse("its checksum does not match");
  const text = (start: number, length: number) =>
    new TextDecoder().decode(bytes.subarray(start, start + length)).replaceAll("\0", "");
  if (text(CHECKSUM_OFFSET + 4, 32) !== format.root) refuse("it belongs to another cache");
  if (text(CHECKSUM_OFFSET + 4 + 32, 40) !== key) refuse("it is another block");
  const sizes = Array.from({ length: storeCount }, (_, store) => {
    return view.getUint32(HEADER_BYTES + store * WORD_SIZE_BYTES, true);
  });
  const recordWords = sizes.map((size) => size & (1 << WORD_COUNT_BITS) - 1);
  const tokenCounts = sizes.map((size) => BLOCK_TOKEN_COUNT - (size >>> WORD_COUNT_BITS));
  const payload = bytes.slice(payloadStart);
  const portable = form === "portable" ? portableForm(format, format.profile) : null;
  if (form === "portable" && !portable) refuse(`profile ${format.profile.name} has no such form`);
  const words = portable
    ? joined(portable.parse(payload))
    : form === "cold"
    ? parseColdBlock(format, { key, recordWords }, payload)
    : new Uint32Array(payload.buffer);
  const wordCount = recordWords.reduce((sum, count) => sum + count, 0);
  if (words.length !== wordCount) refuse(`it has ${words.length} words of ${wordCount}`);
  const isWhole = tokenCounts.every((count) => count === BLOCK_TOKEN_COUNT);
  return { key, recordWords, ...(isWhole ? {} : { tokenCounts }), words };
}

/** Those of the stores that the block is of: the others have none. */
function sealedRecords({ recordWords, words }: StoredBlock): Uint32Array[] {
  let start = 0;
  return recordWords.filter((count) => count > 0)
    .map((count) => words.subarray(start, start += count));
}

function joined(records: readonly Uint32Array[]): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(records.reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  for (const record of records) {
    words.set(record, start);
    start += record.length;
  }
  return words;
}
