/**
 * A saved sequence: its tokens and the blocks with which a prompt of these tokens can begin, each
 * section under a checksum of its own.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import { packBlockFile, parseBlockFile } from "./block_file.ts";
import type { BlockFormat, StoredBlock } from "./block_format.ts";

/** First word of a file: the bytes "PKVS". */
const MAGIC = 0x53564b50;
const FILE_VERSION = 1;
/** Magic, version, bytes and checksum of the header. */
const PREAMBLE_BYTES = 4 * WORD_SIZE_BYTES;
/** Largest header that is looked at: some millions of tokens. */
const HEADER_BYTES_MAX = 2 ** 26;

/** What a file must agree with. */
export interface SequenceFormat extends BlockFormat {
  /** Of the model's file. */
  fingerprint: string;
  /** The profile with all that its blocks' bytes depend on. */
  codecName: string;
}

/** A sequence apart from any device. */
export interface SavedSequence {
  tokenIds: readonly number[];
  /** Leading tokens that the blocks stand for. */
  tokenCount: number;
  /** Sealed ones in order, then raw tiles, as a scheduler's shelf orders them. */
  blocks: readonly StoredBlock[];
}

interface Header {
  fingerprint: string;
  codecName: string;
  tokenIds: number[];
  tokenCount: number;
  blocks: { key: string; sizeBytes: number }[];
}

/** Lets others of the thread go first, such as steps: a block takes some milliseconds. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Writes a sequence, a block at a time. */
export async function packSequence(
  format: SequenceFormat,
  saved: SavedSequence,
): Promise<Uint8Array<ArrayBuffer>> {
  const files: Uint8Array[] = [];
  for (const block of saved.blocks) {
    await pause();
    files.push(packBlockFile(format, block));
  }
  const header: Header = {
    fingerprint: format.fingerprint,
    codecName: format.codecName,
    tokenIds: [...saved.tokenIds],
    tokenCount: saved.tokenCount,
    blocks: saved.blocks.map(({ key }, index) => ({ key, sizeBytes: files[index].length })),
  };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const blockBytes = files.reduce((sum, { length }) => sum + length, 0);
  const bytes = new Uint8Array(PREAMBLE_BYTES + text.length + blockBytes);
  const view = new DataView(bytes.buffer);
  [MAGIC, FILE_VERSION, text.length, crc32(text)].forEach((value, word) => {
    view.setUint32(word * WORD_SIZE_BYTES, value, true);
  });
  bytes.set(text, PREAMBLE_BYTES);
  let start = PREAMBLE_BYTES + text.length;
  for (const file of files) {
    bytes.set(file, start);
    start += file.length;
  }
  return bytes;
}

/**
 * Reads a sequence, a block at a time.
 *
 * @throws {RangeError} If the bytes are not a whole, unchanged sequence of this model and profile;
 * says why.
 */
export async function parseSequence(
  format: SequenceFormat,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<SavedSequence> {
  const header = parseHeader(bytes);
  if (header.fingerprint !== format.fingerprint) refuse("it was saved with another model");
  if (header.codecName !== format.codecName) {
    refuse(`it was saved with profile ${header.codecName}, this server has ${format.codecName}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let start = PREAMBLE_BYTES + view.getUint32(2 * WORD_SIZE_BYTES, true);
  const blocks: StoredBlock[] = [];
  for (const { key, sizeBytes } of header.blocks) {
    await pause();
    blocks.push(parseBlockFile(format, key, bytes.slice(start, start + sizeBytes)));
    start += sizeBytes;
  }
  if (start !== bytes.length) refuse(`it has ${bytes.length} bytes, its sections end at ${start}`);
  const { tokenIds, tokenCount } = header;
  return { tokenIds, tokenCount, blocks };
}

function parseHeader(bytes: Uint8Array): Header {
  if (bytes.length < PREAMBLE_BYTES) refuse(`${bytes.length} bytes are no whole header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (index: number) => view.getUint32(index * WORD_SIZE_BYTES, true);
  if (word(0) !== MAGIC) refuse("it does not begin with PKVS");
  if (word(1) !== FILE_VERSION) refuse(`it has version ${word(1)}, must be ${FILE_VERSION}`);
  const headerBytes = word(2);
  if (headerBytes > HEADER_BYTES_MAX || PREAMBLE_BYTES + headerBytes > bytes.length) {
    refuse("it is cut in its header");
  }
  const text = bytes.subarray(PREAMBLE_BYTES, PREAMBLE_BYTES + headerBytes);
  if (crc32(text) !== word(3)) refuse("the checksum of its header does not match");
  return JSON.parse(new TextDecoder().decode(text));
}

function refuse(what: string): never {
  throw new RangeError(`Cannot read a saved sequence: ${what}`);
}
