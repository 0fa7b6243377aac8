/**
 * Blocks from outside, changed in every way a disk, a network or an attacker might: each is refused
 * with its cause, or is exactly what a packer writes; and nothing is read outside of it. A format
 * to try is an entry of `FORMATS`.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { crc32 } from "../../src/codec/crc32.ts";
import { RecordLayout, type Side } from "../../src/codec/layout.ts";
import { packRecord } from "../../src/codec/pack.ts";
import { packPortable, parsePortable, type PortableBlock } from "../../src/codec/portable.ts";
import { codecProfile, type ProfileSettings } from "../../src/codec/profile.ts";
import { quantiseTile } from "../../src/codec/quantise.ts";
import { repackOrder } from "../../src/codec/repack.ts";
import { checkRecord, unpackRecord } from "../../src/codec/unpack.ts";
import { sampleTile } from "../support/codec_samples.ts";
import { guardedWords, ReadOutside } from "../support/guarded_words.ts";
import { seededRandom } from "../support/numeric.ts";

/** Blocks in all; they are dealt out to the samples of all formats in turn. */
const CASE_COUNT = 100_000;
const SEED = 20_240;
/** Refusals that differ in more than their numbers. */
const CAUSE_COUNT_MIN = 20;

/** A valid block, and how it is read. */
interface Sample {
  name: string;
  bytes: Uint8Array;
  /** Byte of the checksum, a word. */
  checksumByte: number;
  /** Reads bytes as a receiver does, down to the codes, and packs these again. */
  readAndPack(bytes: Uint8Array): Uint8Array;
  /** Reads the records in these bytes through words that cannot be read outside. */
  readGuarded(bytes: Uint8Array): void;
}

interface SampleOptions extends Omit<ProfileSettings, "name"> {
  kvHeadCount: number;
  headSize: number;
  layerCount: number;
  tokenCount: number;
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
  const layout = RecordLayout.forProfile(shape, profile);
  const records = Array.from({ length: layerCount }, (_, layer) => {
    const block = quantiseTile(shape, sampleTile("gaussian", shape, layer + 1), {
      ...profile,
      tokenCount,
    });
    return packRecord(layout, block, repackOrder(profile.repack, block, layout.packSize));
  });
  const block: PortableBlock = {
    ...shape,
    tokenCount,
    profile: {
      ...profile,
      keyRel: Math.fround(profile.keyRel),
      valueRel: Math.fround(profile.valueRel),
    },
    records,
  };
  const bytes = packPortable(block);
  const recordByte = bytes.length - 4 * records.reduce((sum, record) => sum + record.length, 0);
  return {
    name: `portable block, ${JSON.stringify(options)}`,
    bytes,
    checksumByte: 44,
    readAndPack: (changed) => packPortable(repacked(parsePortable(changed))),
    readGuarded(changed) {
      let start = recordByte;
      for (const record of records) {
        const end = Math.min(start + record.byteLength, changed.length);
        readRecord(layout, wordsOf(changed.subarray(start, end)), tokenCount);
        start = end;
      }
    },
  };
}

/** The same block from its codes. */
function repacked(block: PortableBlock): PortableBlock {
  const layout = RecordLayout.forProfile(block, block.profile);
  const inOrder = Uint32Array.from({ length: 64 }, (_, place) => place);
  const records = block.records.map((record) =>
    packRecord(layout, unpackRecord(layout, record, block.tokenCount), inOrder)
  );
  return { ...block, records };
}

/** Checks a record, then unpacks it if it is one, all through guarded words. */
function readRecord(layout: RecordLayout, words: Uint32Array, tokenCount: number): void {
  const guarded = guardedWords(words);
  checkRecord(layout, guarded, tokenCount);
  const { sides } = unpackRecord(layout, guarded, tokenCount);
  for (const [side, { codes }] of sides.entries()) {
    const codeMax = 2 ** layout.bits(side as Side) - 1;
    assert(codes.every((code) => code <= codeMax), `a code is above ${codeMax}`);
  }
}

/** Whole words of some bytes. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const whole = bytes.slice(0, bytes.length - bytes.length % 4);
  return new Uint32Array(whole.buffer);
}

const FORMATS: Sample[] = PORTABLE_SAMPLES.map(portableSample);

type Random = () => number;
const below = (random: Random, count: number) => Math.floor(random() * count);

/** Values that sizes and offsets go wrong at. */
const EXTREMES = [0, 1, 2, 3, 63, 64, 65, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff];

/** One change of some words, half of the time near their start, where sizes and tables are. */
function change(words: Uint32Array<ArrayBuffer>, random: Random): Uint32Array<ArrayBuffer> {
  const place = below(random, random() < 0.5 ? words.length : Math.min(words.length, 20));
  switch (below(random, 7)) {
    case 0:
      words[place] ^= 1 << below(random, 32);
      return words;
    case 1:
      words[place] = random() * 2 ** 32;
      return words;
    case 2:
      words[place] = EXTREMES[below(random, EXTREMES.length)];
      return words;
    case 3:
      words[place] += below(random, 9) - 4;
      return words;
    case 4: {
      const from = below(random, words.length);
      words.set(
        words.slice(from, from + below(random, words.length - place)).subarray(
          0,
          words.length - place,
        ),
        place,
      );
      return words;
    }
    case 5:
      return words.slice(0, below(random, words.length));
    default: {
      const longer = new Uint32Array(words.length + 1 + below(random, 40));
      longer.set(words);
      if (random() < 0.5) {
        for (let i = words.length; i < longer.length; i++) longer[i] = random() * 2 ** 32;
      }
      return longer;
    }
  }
}

/** A changed block; most have their length and checksum put right, so that what follows is met. */
function changedBlock(sample: Sample, random: Random): Uint8Array {
  let words = Uint32Array.from(wordsOf(sample.bytes));
  const isRandom = random() < 0.1;
  if (isRandom) {
    const kept = below(random, 16);
    for (let i = kept; i < words.length; i++) words[i] = random() * 2 ** 32;
  }
  for (let count = isRandom ? below(random, 2) : 1 + below(random, 3); count > 0; count--) {
    words = change(words, random);
  }
  if (random() < 0.8 && words.length > 2) words[2] = words.length;
  let bytes = new Uint8Array(words.buffer);
  if (random() < 0.02) bytes = bytes.slice(0, below(random, bytes.length + 1));
  if (random() < 0.95 && bytes.length >= sample.checksumByte + 4) putChecksum(bytes, sample);
  return bytes;
}

function putChecksum(bytes: Uint8Array, { checksumByte }: Sample): void {
  const view = new DataView(bytes.buffer);
  view.setUint32(checksumByte, 0, true);
  view.setUint32(checksumByte, crc32(bytes), true);
}

/** Whether `read` accepts; a refusal must be a RangeError of the codec's own that says why. */
function accepts(read: () => void, label: string, causes: Set<string>): boolean {
  try {
    read();
    return true;
  } catch (error) {
    const isRefusal = error instanceof RangeError && /^Cannot [a-z]+ .+: .+/.test(error.message);
    assert(isRefusal, `${label}: ${error instanceof Error ? error.stack : error}`);
    causes.add(error.message.replaceAll(/-?[\d.]+(e[-+]\d+)?|NaN|Infinity/g, "n"));
    return false;
  }
}

Deno.test("guardedWords() throws at a read outside, and only there", () => {
  const words = guardedWords(Uint32Array.of(5, 6, 7));
  assertEquals([words[2], words.length, words.subarray(1)[1], words.slice(1).length], [7, 3, 7, 2]);
  assertEquals(words.subarray(1).some((word) => word === 7), true);
  for (const index of [3, -1, 1.5, NaN, 2 ** 32]) {
    assertThrows(() => words[index], ReadOutside, `word ${index} `);
  }
  assertThrows(() => words.subarray(1)[2], ReadOutside);
});

Deno.test(`${CASE_COUNT} changed blocks are refused with a cause or are what a packer writes, and nothing is read outside`, () => {
  const random = seededRandom(SEED);
  const acceptedCounts = FORMATS.map(() => ({ whole: 0, records: 0 }));
  const causes = new Set<string>();
  for (let index = 0; index < CASE_COUNT; index++) {
    const sample = FORMATS[index % FORMATS.length];
    const counts = acceptedCounts[index % FORMATS.length];
    const bytes = changedBlock(sample, random);
    const label = `seed ${SEED}, case ${index}, ${sample.name}`;
    const isWhole = accepts(
      () => {
        const again = sample.readAndPack(bytes);
        assert(again.length === bytes.length, `${label}: ${again.length} bytes`);
        assert(again.every((byte, i) => byte === bytes[i]), `${label}: it packs to other bytes`);
      },
      label,
      causes,
    );
    const hasRecords = accepts(() => sample.readGuarded(bytes), label, causes);
    if (isWhole) counts.whole++;
    if (hasRecords) counts.records++;
  }
  // Changed codes and parameters are still a block; changed sizes are not.
  for (const { whole, records } of acceptedCounts) {
    const caseCount = CASE_COUNT / FORMATS.length;
    assert(whole > 0.001 * caseCount && whole < 0.5 * caseCount, `${whole} were accepted`);
    assert(records >= whole && records < 0.7 * caseCount, `${records} had valid records`);
  }
  assert(causes.size >= CAUSE_COUNT_MIN, `only met: ${[...causes].join("; ")}`);
});
