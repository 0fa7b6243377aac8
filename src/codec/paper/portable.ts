/**
 * Blocks as files and messages: a header, the records of all layers, a checksum. FORMAT.md
 * section 4. Bytes from outside are checked whole before anything is made of them.
 *
 * @module
 */

import { PAPER_PROFILES, type PaperProfile } from "./settings.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { PaperLayout } from "./layout.ts";
import { ownWords, readFrame, readRecords, refuseBlock, writeFrame } from "../portable_frame.ts";
import { checkPaper } from "./unpack.ts";

/** The version of blocks of paper records. */
export const PAPER_FORMAT_VERSION = 1;
const REPACK_RULES = ["none", "median", "greedy"] as const;

/** A packed block of all layers, apart from any device. */
export interface PortablePaper {
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
 * @throws {RangeError} if its parts do not fit each other; see {@link parsePortablePaper}.
 */
export function packPortablePaper(block: PortablePaper): Uint8Array<ArrayBuffer> {
  const { kvHeadCount, headSize, tokenCount, profile, records } = block;
  const layout = PaperLayout.forProfile(block, profile);
  const codecWord = layout.packSize | (layout.keyBits << 8) | (layout.valueBits << 16) |
    (REPACK_RULES.indexOf(profile.repack) << 24);
  const rels = new Uint32Array(Float32Array.of(profile.keyRel, profile.valueRel).buffer);
  const own = [kvHeadCount, headSize, records.length, tokenCount, codecWord, ...rels, 0];
  const bytes = writeFrame(PAPER_FORMAT_VERSION, own, records);
  parsePortablePaper(bytes);
  return bytes;
}

/**
 * Reads a portable block.
 *
 * @throws {RangeError} if the bytes are not what a conforming packer writes: magic, version,
 * length, checksum, limits, sizes that fit each other, and each record.
 */
export function parsePortablePaper(bytes: Uint8Array): PortablePaper {
  const words = readFrame(PAPER_FORMAT_VERSION, bytes);
  const { layout, profile, layerCount, tokenCount } = parseHeader(ownWords(words));
  const records = readRecords(words, layerCount, (record) => {
    checkPaper(layout, record, tokenCount);
  });
  const { kvHeadCount, headSize } = layout;
  return { kvHeadCount, headSize, tokenCount, profile, records };
}

function parseHeader(own: Uint32Array<ArrayBuffer>) {
  const [kvHeadCount, headSize, layerCount, tokenCount, codec, , , reserved] = own;
  const [keyRel, valueRel] = new Float32Array(own.slice(5, 7).buffer);
  if (tokenCount < 1 || tokenCount > BLOCK_TOKEN_COUNT) refuseBlock(`it has ${tokenCount} tokens`);
  if (reserved !== 0) refuseBlock("its reserved word is not zero");
  const repack = REPACK_RULES[codec >>> 24] ?? refuseBlock(`it has repack rule ${codec >>> 24}`);
  const given = { name: "paper", keyRel, valueRel, packSize: codec & 255, repack };
  const profile = PAPER_PROFILES.profile(given);
  const layout = PaperLayout.forProfile({ kvHeadCount, headSize }, profile);
  if (layout.keyBits !== ((codec >>> 8) & 255) || layout.valueBits !== ((codec >>> 16) & 255)) {
    refuseBlock("its code bits do not follow from its steps");
  }
  return { layout, profile, layerCount, tokenCount };
}
