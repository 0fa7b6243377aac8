/**
 * Blocks from outside, changed in every way a disk, a network or an attacker might: each is refused
 * with its cause, or is exactly what a packer writes; and nothing is read outside of it. A format
 * to try is an entry of `FORMATS`.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { crc32 } from "node:zlib";
import { guardedWords, ReadOutside } from "../support/guarded_words.ts";
import { seededRandom } from "../support/numeric.ts";
import {
  BANDED_BLOCKS,
  CHECKSUM_BYTE,
  isSame,
  PUBLISHED_BLOCKS,
  type Sample,
  wordsOf,
} from "../support/portable_samples.ts";

/** Blocks of each format; they are dealt out to its samples in turn. */
const CASE_COUNT = 100_000;
const SEED = 20_240;
/** Refusals that differ in more than their numbers. */
const CAUSE_COUNT_MIN = 20;

const FORMATS = { published: PUBLISHED_BLOCKS, banded: BANDED_BLOCKS };

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
  let words = wordsOf(sample.bytes);
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
  if (random() < 0.95 && bytes.length >= CHECKSUM_BYTE + 4) putChecksum(bytes);
  return bytes;
}

function putChecksum(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer);
  view.setUint32(CHECKSUM_BYTE, 0, true);
  view.setUint32(CHECKSUM_BYTE, crc32(bytes), true);
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

for (const [format, samples] of Object.entries(FORMATS)) {
  Deno.test(`${CASE_COUNT} changed ${format} blocks are refused with a cause or are what a packer writes, and nothing is read outside`, () => {
    changeBlocks(samples);
  });
}

function changeBlocks(samples: readonly Sample[]): void {
  // Nearly all cases are refused, and a trace for each takes a seventh of the time.
  Error.stackTraceLimit = 0;
  const random = seededRandom(SEED);
  const acceptedCounts = samples.map(() => ({ whole: 0, records: 0 }));
  const causes = new Set<string>();
  for (let index = 0; index < CASE_COUNT; index++) {
    const sample = samples[index % samples.length];
    const counts = acceptedCounts[index % samples.length];
    const bytes = changedBlock(sample, random);
    const label = `seed ${SEED}, case ${index}, ${sample.name}`;
    const isWhole = accepts(
      () => {
        const again = sample.readAndPack(bytes);
        assert(again.length === bytes.length, `${label}: ${again.length} bytes`);
        assert(isSame(again, bytes), `${label}: it packs to other bytes`);
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
    const caseCount = CASE_COUNT / samples.length;
    assert(whole > 0.001 * caseCount && whole < 0.5 * caseCount, `${whole} were accepted`);
    assert(records >= whole && records < 0.7 * caseCount, `${records} had valid records`);
  }
  assert(causes.size >= CAUSE_COUNT_MIN, `only met: ${[...causes].join("; ")}`);
}
