/** Valid portable blocks of both versions, small, and how a receiver reads them. */

import { assert } from "@std/assert";
import { checkBanded } from "../../src/codec/banded/check.ts";
import { BandedLayout } from "../../src/codec/banded/layout.ts";
import { packBanded, packSinks } from "../../src/codec/banded/pack.ts";
import {
  packPortableBanded,
  parsePortableBanded,
  type PortableBanded,
} from "../../src/codec/banded/portable.ts";
import { quantiseBanded } from "../../src/codec/banded/quantise.ts";
import type { BandedTables } from "../../src/codec/banded/tables.ts";
import { unpackBanded } from "../../src/codec/banded/unpack.ts";
import { PaperLayout } from "../../src/codec/paper/layout.ts";
import type { Side } from "../../src/codec/record.ts";
import { packPaper } from "../../src/codec/paper/pack.ts";
import {
  packPortablePaper,
  parsePortablePaper,
  type PortablePaper,
} from "../../src/codec/paper/portable.ts";
import { codecProfile } from "../../src/codec/profile.ts";
import { quantisePaper } from "../../src/codec/paper/quantise.ts";
import { repackOrder } from "../../src/codec/repack.ts";
import { checkPaper, unpackPaper } from "../../src/codec/paper/unpack.ts";
import { seededTables } from "./banded_samples.ts";
import { sampleTile } from "./codec_samples.ts";
import { guardedWords } from "./guarded_words.ts";

/** Byte of the checksum, a word. */
export const CHECKSUM_BYTE = 44;

/** A valid block, and how it is read. */
export interface Sample {
  name: string;
  bytes: Uint8Array;
  /** Reads bytes as a receiver does, down to the codes, and packs these again. */
  readAndPack(bytes: Uint8Array): Uint8Array;
  /** Reads the records in these bytes through words that cannot be read outside. */
  readGuarded(bytes: Uint8Array): void;
}

interface SampleOptions {
  kvHeadCount: number;
  headSize: number;
  layerCount: number;
  tokenCount: number;
  [setting: string]: unknown;
}

const PORTABLE_SAMPLES: SampleOptions[] = [
  { kvHeadCount: 1, headSize: 32, layerCount: 1, tokenCount: 64, keyRel: 0.1, valueRel: 0.2 },
  { kvHeadCount: 1, headSize: 32, layerCount: 2, tokenCount: 17, packSize: 8, repack: "median" },
  { kvHeadCount: 2, headSize: 32, layerCount: 1, tokenCount: 33, packSize: 4, repack: "greedy" },
  { kvHeadCount: 1, headSize: 32, layerCount: 1, tokenCount: 64, packSize: 32, keyRel: 1 / 254 },
  { kvHeadCount: 1, headSize: 64, layerCount: 1, tokenCount: 1, keyRel: 0.5, valueRel: 0.5 },
];

function portableSample(options: SampleOptions): Sample {
  const { kvHeadCount, headSize, layerCount, tokenCount, ...settings } = options;
  const shape = { kvHeadCount, headSize };
  const profile = codecProfile({ name: "paper", ...settings });
  assert(profile.name === "paper");
  const layout = PaperLayout.forProfile(shape, profile);
  const records = Array.from({ length: layerCount }, (_, layer) => {
    const block = quantisePaper(shape, sampleTile("gaussian", shape, layer + 1), {
      ...profile,
      tokenCount,
    });
    return packPaper(layout, block, repackOrder(profile.repack, block, layout.packSize));
  });
  const block: PortablePaper = {
    ...shape,
    tokenCount,
    profile: {
      ...profile,
      keyRel: Math.fround(profile.keyRel),
      valueRel: Math.fround(profile.valueRel),
    },
    records,
  };
  const bytes = packPortablePaper(block);
  const unchanged = new Set<number>();
  return {
    name: `portable block, ${JSON.stringify(options)}`,
    bytes,
    readAndPack: (changed) => packPortablePaper(repacked(parsePortablePaper(changed))),
    readGuarded: (changed) =>
      eachRecord(changed, { records, unchanged }, (words) => {
        readRecord(layout, words, tokenCount);
      }),
  };
}

/** The same block from its codes. */
function repacked(block: PortablePaper): PortablePaper {
  const layout = PaperLayout.forProfile(block, block.profile);
  const inOrder = Uint32Array.from({ length: 64 }, (_, place) => place);
  const records = block.records.map((record) =>
    packPaper(layout, unpackPaper(layout, record, block.tokenCount), inOrder)
  );
  return { ...block, records };
}

/** Checks a record, of guarded words, then unpacks it if it is one. */
function readRecord(layout: PaperLayout, guarded: Uint32Array, tokenCount: number): void {
  checkPaper(layout, guarded, tokenCount);
  const { sides } = unpackPaper(layout, guarded, tokenCount);
  for (const [side, { codes }] of sides.entries()) {
    const codeMax = 2 ** layout.bits(side as Side) - 1;
    assert(codes.every((code) => code <= codeMax), `a code is above ${codeMax}`);
  }
}

/** Whether two arrays hold the same. */
export function isSame(some: ArrayLike<number>, others: ArrayLike<number>): boolean {
  if (some.length !== others.length) return false;
  for (let index = 0; index < some.length; index++) {
    if (some[index] !== others[index]) return false;
  }
  return true;
}

/** Whole words of some bytes. */
export function wordsOf(bytes: Uint8Array): Uint32Array<ArrayBuffer> {
  const whole = bytes.slice(0, bytes.length - bytes.length % 4);
  return new Uint32Array(whole.buffer);
}

/**
 * The words where the records were, guarded; the last may be cut.
 *
 * @param origin The records as they were. `unchanged`: layers of which one like that was read: it
 * is not read again, for the same words give the same.
 */
function eachRecord(
  bytes: Uint8Array,
  { records, unchanged }: { records: readonly Uint32Array[]; unchanged: Set<number> },
  read: (words: Uint32Array, layer: number) => void,
): void {
  const headerBytes = 4 * (12 + records.length);
  let start = headerBytes;
  for (const [layer, record] of records.entries()) {
    const end = Math.min(start + record.byteLength, bytes.length);
    const words = wordsOf(bytes.subarray(start, end));
    start = end;
    const isUnchanged = isSame(words, record);
    if (isUnchanged && unchanged.has(layer)) continue;
    read(guardedWords(words), layer);
    if (isUnchanged) unchanged.add(layer);
  }
}

/** Samples of version 1. */
export const PUBLISHED_BLOCKS: Sample[] = PORTABLE_SAMPLES.map(portableSample);

const BANDED_SAMPLES = [
  { kvHeadCount: 1, headSize: 32, layerCount: 1, sinkCount: 0 },
  { kvHeadCount: 1, headSize: 32, layerCount: 1, sinkCount: 4 },
  { kvHeadCount: 1, headSize: 32, layerCount: 2, sinkCount: 16 },
  { kvHeadCount: 2, headSize: 32, layerCount: 1, sinkCount: 1 },
];

function bandedSample(options: typeof BANDED_SAMPLES[number], index: number): Sample {
  const { kvHeadCount, headSize, layerCount, sinkCount } = options;
  const shape = { kvHeadCount, headSize };
  const layout = new BandedLayout({ ...shape, sinkCount });
  const tables = Array.from({ length: layerCount }, (_, layer) => seededTables(shape, 7 + layer));
  const records = tables.map((own, layer) => {
    const tile = sampleTile(index % 2 === 0 ? "gaussian" : "mixed scales", shape, layer + 1);
    const block = quantiseBanded(shape, tile, { tables: own, firstToken: sinkCount });
    const sinks = sinkCount > 0 ? packSinks(layout, tile) : new Uint32Array();
    return packBanded(layout, { block, tables: own }, sinks);
  });
  const hasSinks = sinkCount > 0;
  const unchanged = new Set<number>();
  return {
    name: `banded block, ${JSON.stringify(options)}`,
    bytes: packPortableBanded({ ...shape, sinkCount, records }, tables),
    readAndPack: (changed) =>
      packPortableBanded(repackedBanded(parsePortableBanded(changed, tables), tables), tables),
    readGuarded: (changed) =>
      eachRecord(changed, { records, unchanged }, (words, layer) => {
        const own = { tables: tables[layer], hasSinks };
        checkBanded(layout, words, own);
        unpackBanded(layout, words, own);
      }),
  };
}

/** The same block from its codes. */
function repackedBanded(block: PortableBanded, tables: readonly BandedTables[]): PortableBanded {
  const layout = new BandedLayout(block);
  const hasSinks = block.sinkCount > 0;
  const records = block.records.map((record, layer) => {
    const own = { tables: tables[layer], hasSinks };
    const { block: codes, sinks } = unpackBanded(layout, record, own);
    return packBanded(layout, { block: codes, tables: own.tables }, sinks);
  });
  return { ...block, records };
}

/** Samples of banded blocks. */
export const BANDED_BLOCKS: Sample[] = BANDED_SAMPLES.map(bandedSample);
