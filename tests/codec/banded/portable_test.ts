import { assertEquals, assertThrows } from "@std/assert";
import { packPortableBanded, parsePortableBanded } from "../../../src/codec/banded/portable.ts";
import { BandedLayout } from "../../../src/codec/banded/layout.ts";
import { packBanded, packSinks } from "../../../src/codec/banded/pack.ts";
import { quantiseBanded } from "../../../src/codec/banded/quantise.ts";
import { crc32 } from "node:zlib";
import { seededTables } from "../../support/banded_samples.ts";
import { sampleTile } from "../../support/codec_samples.ts";

const SHAPE = { kvHeadCount: 1, headSize: 32 };
const TABLES = [3, 4].map((seed) => seededTables(SHAPE, seed));

function sampleBlock(sinkCount: number) {
  const layout = new BandedLayout({ ...SHAPE, sinkCount });
  const records = TABLES.map((tables, layer) => {
    const tile = sampleTile("gaussian", SHAPE, layer + 1);
    const block = quantiseBanded(SHAPE, tile, { tables, firstToken: sinkCount });
    const sinks = sinkCount > 0 ? packSinks(layout, tile) : new Uint32Array();
    return packBanded(layout, { block, tables }, sinks);
  });
  return { ...SHAPE, sinkCount, records };
}

/** Writes the right checksum of bytes that were changed. */
function resealed(bytes: Uint8Array): Uint8Array {
  bytes.fill(0, 44, 48);
  new DataView(bytes.buffer).setUint32(44, crc32(bytes), true);
  return bytes;
}

for (const sinkCount of [0, 1, 4, 16]) {
  Deno.test(`parsePortableBanded() undoes packPortableBanded() with ${sinkCount} sinks`, () => {
    const block = sampleBlock(sinkCount);
    assertEquals(parsePortableBanded(packPortableBanded(block, TABLES), TABLES), block);
  });
}

/** Word to change, its new value, and the part of the message that names it. */
const CHANGES: [number, number, string][] = [
  [0, 0x42564b51, "PKVB"],
  [1, 1, "version 1"],
  [2, 7, "header says 7"],
  [3, 2, "64 channels, the model has 32"],
  [4, 48, "headSize"],
  [5, 3, "3 layers, the model has 2"],
  [6, 0, "section 0"],
  [6, 17, "sinkCount"],
  [7, 1, "other tables"],
  [8, 1, "reserved"],
  [10, 1, "reserved"],
  [12, 4, "words"],
  [12, 0xffffffff, "cut"],
];

for (const [word, value, part] of CHANGES) {
  Deno.test(`parsePortableBanded() refuses word ${word} set to ${value.toString(16)}: ${part}`, () => {
    const bytes = packPortableBanded(sampleBlock(4), TABLES);
    new DataView(bytes.buffer).setUint32(word * 4, value, true);
    assertThrows(() => parsePortableBanded(resealed(bytes), TABLES), RangeError, part);
  });
}

Deno.test("parsePortableBanded() refuses the block of a model with other steps", () => {
  const bytes = packPortableBanded(sampleBlock(4), TABLES);
  const others = [TABLES[0], seededTables(SHAPE, 5)];
  assertThrows(() => parsePortableBanded(bytes, others), RangeError, "other tables");
});

Deno.test("parsePortableBanded() refuses every cut", () => {
  const bytes = packPortableBanded(sampleBlock(1), TABLES);
  for (let length = 0; length < bytes.length; length += 9) {
    assertThrows(() => parsePortableBanded(bytes.slice(0, length), TABLES), RangeError);
  }
});
