/**
 * Sizes and checksums of blocks with each feature of FORMAT.md. They change with the format's
 * versions only: a change that both ends make alike would show here.
 */

import { assert, assertEquals } from "@std/assert";
import { BandedLayout } from "../../src/codec/banded/layout.ts";
import { packBanded, packSinks } from "../../src/codec/banded/pack.ts";
import { packPortableBanded, parsePortableBanded } from "../../src/codec/banded/portable.ts";
import { quantiseBanded } from "../../src/codec/banded/quantise.ts";
import { crc32 } from "node:zlib";
import { Int8Layout } from "../../src/codec/int8/layout.ts";
import { packPortableInt8 } from "../../src/codec/int8/portable.ts";
import { packInt8 } from "../../src/codec/int8/record.ts";
import { PaperLayout } from "../../src/codec/paper/layout.ts";
import { packPaper } from "../../src/codec/paper/pack.ts";
import { packPortablePaper, parsePortablePaper } from "../../src/codec/paper/portable.ts";
import { codecProfile } from "../../src/codec/profile.ts";
import { quantisePaper } from "../../src/codec/paper/quantise.ts";
import { repackOrder } from "../../src/codec/repack.ts";
import { seededTables } from "../support/banded_samples.ts";
import { sampleTile } from "../support/codec_samples.ts";

const SHAPE = { kvHeadCount: 2, headSize: 64 };
const REPACK_RULES = ["none", "median", "greedy"] as const;

/** Bytes and CRC-32 by pack size and rule. */
const PUBLISHED: Record<string, [number, string]> = {
  "4 none": [17848, "f87c39cd"],
  "8 none": [15992, "deb70152"],
  "16 none": [17560, "db21feb8"],
  "32 none": [17480, "b54c2e53"],
  "4 median": [17032, "21b2f886"],
  "8 median": [15144, "57875c5f"],
  "16 median": [14168, "529edf2c"],
  "32 median": [16920, "f03ecb73"],
  "4 greedy": [16680, "7abf57d1"],
  "8 greedy": [15256, "d0a423fb"],
  "16 greedy": [13800, "a51ee593"],
  "32 greedy": [16904, "1d3e8a6d"],
};

/** Bytes and CRC-32 by sinks. */
const BANDED: Record<number, [number, string]> = {
  0: [15432, "ef1abdac"],
  4: [19368, "a4e3a848"],
  16: [29176, "51c970f9"],
};

function publishedBlock(packSize: number, repack: typeof REPACK_RULES[number]): Uint8Array {
  const settings = { keyRel: 0.0625, valueRel: 0.125, packSize, repack };
  const profile = codecProfile({ name: "paper", ...settings });
  assert(profile.name === "paper");
  const layout = PaperLayout.forProfile(SHAPE, profile);
  const records = [1, 2].map((seed) => {
    const block = quantisePaper(SHAPE, sampleTile("mixed scales", SHAPE, seed), {
      ...profile,
      tokenCount: 64,
    });
    return packPaper(layout, block, repackOrder(repack, block, packSize));
  });
  return packPortablePaper({ ...SHAPE, tokenCount: 64, profile, records });
}

const TABLES = [1, 2].map((seed) => seededTables(SHAPE, seed));

function bandedBlock(sinkCount: number): Uint8Array {
  const layout = new BandedLayout({ ...SHAPE, sinkCount });
  const records = TABLES.map((tables, layer) => {
    const tile = sampleTile("gaussian", SHAPE, layer + 1);
    const block = quantiseBanded(SHAPE, tile, { tables, firstToken: sinkCount });
    const sinks = sinkCount > 0 ? packSinks(layout, tile) : new Uint32Array();
    return packBanded(layout, { block, tables }, sinks);
  });
  return packPortableBanded({ ...SHAPE, sinkCount, records }, TABLES);
}

const sum = (bytes: Uint8Array): [number, string] => [bytes.length, crc32(bytes).toString(16)];

Deno.test("an int8 block keeps its bytes", () => {
  const layout = new Int8Layout(SHAPE);
  const records = [1, 2].map((seed) => packInt8(layout, sampleTile("mixed scales", SHAPE, seed)));
  assertEquals(sum(packPortableInt8({ ...SHAPE, records })), [33848, "d7518ff3"]);
});

for (const repack of REPACK_RULES) {
  for (const packSize of [4, 8, 16, 32]) {
    const name = `${packSize} ${repack}`;
    Deno.test(`a published block keeps its bytes: pack size and order ${name}`, () => {
      const bytes = publishedBlock(packSize, repack);
      assertEquals(sum(bytes), PUBLISHED[name]);
      assertEquals(parsePortablePaper(bytes).records.length, 2);
    });
  }
}

for (const sinkCount of [0, 4, 16]) {
  Deno.test(`a banded block keeps its bytes: ${sinkCount} sinks`, () => {
    const bytes = bandedBlock(sinkCount);
    assertEquals(sum(bytes), BANDED[sinkCount]);
    assertEquals(parsePortableBanded(bytes, TABLES).sinkCount, sinkCount);
  });
}
