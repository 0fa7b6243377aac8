import { assert, assertEquals, assertThrows } from "@std/assert";
import { crc32 } from "node:zlib";
import { PaperLayout } from "../../../src/codec/paper/layout.ts";
import { packPaper } from "../../../src/codec/paper/pack.ts";
import {
  packPortablePaper,
  parsePortablePaper,
  type PortablePaper,
} from "../../../src/codec/paper/portable.ts";
import { codecProfile } from "../../../src/codec/profile.ts";
import { quantisePaper } from "../../../src/codec/paper/quantise.ts";
import { repackOrder } from "../../../src/codec/repack.ts";
import { sampleTile } from "../../support/codec_samples.ts";

function sampleBlock(tokenCount = 64): PortablePaper {
  const shape = { kvHeadCount: 1, headSize: 32 };
  const profile = codecProfile({ name: "paper", keyRel: 0.125, valueRel: 0.25, repack: "median" });
  assert(profile.name === "paper");
  const layout = PaperLayout.forProfile(shape, profile);
  const records = [1, 2].map((seed) => {
    const tile = sampleTile("gaussian", shape, seed);
    const block = quantisePaper(shape, tile, { ...profile, tokenCount });
    return packPaper(layout, block, repackOrder(profile.repack, block, layout.packSize));
  });
  return { ...shape, tokenCount, profile, records };
}

/** Writes the right checksum of bytes that were changed. */
function resealed(bytes: Uint8Array): Uint8Array {
  bytes.fill(0, 44, 48);
  new DataView(bytes.buffer).setUint32(44, crc32(bytes), true);
  return bytes;
}

for (const tokenCount of [1, 17, 64]) {
  Deno.test(`parsePortablePaper() undoes packPortablePaper() at ${tokenCount} tokens`, () => {
    const block = sampleBlock(tokenCount);
    assertEquals(parsePortablePaper(packPortablePaper(block)), block);
  });
}

Deno.test("parsePortablePaper() reads bytes at any offset of their buffer", () => {
  const bytes = packPortablePaper(sampleBlock());
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  assertEquals(parsePortablePaper(shifted.subarray(3)), sampleBlock());
});

/** Word to change, its new value, and the part of the message that names it. */
const CHANGES: [number, number, string][] = [
  [0, 0x42564b51, "PKVB"],
  [1, 2, "version 2"],
  [2, 7, "header says 7"],
  [3, 2, "section 0"],
  [4, 48, "headSize"],
  [5, 0, "0 layers"],
  [6, 65, "65 tokens"],
  [6, 63, "absent"],
  [7, 0x01030421, "packSize"],
  [7, 0x01030510, "code bits"],
  [7, 0x05030410, "repack rule 5"],
  [8, 0x7fc00000, "keyRel"],
  [10, 1, "reserved"],
  [12, 4, "record"],
  [12, 0xffffffff, "cut"],
];

for (const [word, value, part] of CHANGES) {
  Deno.test(`parsePortablePaper() refuses word ${word} set to ${value.toString(16)}: ${part}`, () => {
    const bytes = packPortablePaper(sampleBlock());
    new DataView(bytes.buffer).setUint32(word * 4, value, true);
    assertThrows(() => parsePortablePaper(resealed(bytes)), RangeError, part);
  });
}

Deno.test("parsePortablePaper() refuses a wrong checksum", () => {
  const bytes = packPortablePaper(sampleBlock());
  bytes[200] ^= 1;
  assertThrows(() => parsePortablePaper(bytes), RangeError, "checksum");
});

Deno.test("parsePortablePaper() refuses every cut", () => {
  const bytes = packPortablePaper(sampleBlock());
  for (let length = 0; length < bytes.length; length += 5) {
    assertThrows(() => parsePortablePaper(bytes.subarray(0, length)), RangeError);
  }
});

Deno.test("packPortablePaper() refuses a record of another layout", () => {
  const block = sampleBlock();
  assertThrows(() => packPortablePaper({ ...block, headSize: 64 }), RangeError);
  assertThrows(() => packPortablePaper({ ...block, records: [] }), RangeError, "0 layers");
});
