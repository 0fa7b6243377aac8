/**
 * What is on disk stays readable: files have the bytes they had in the build that first wrote them.
 */

import { ITEM_KINDS } from "../../src/scheduler/block_key.ts";
import { assertEquals, assertLess, assertThrows } from "@std/assert";
import { crc32 } from "node:zlib";
import { createCodec } from "../../src/codec/profile.ts";
import type { CodecProfile } from "../../src/codec/profile_types.ts";
import { packBlockFile, parseBlockFile } from "../../src/tiers/block_file.ts";
import type { BlockFormat } from "../../src/tiers/block_format.ts";
import { packSequence, parseSequence } from "../../src/tiers/sequence_file.ts";
import { sampleTile } from "../support/codec_samples.ts";
import { COLD_FORMAT, FORMAT, keyOf, makeBlock } from "../support/disk_blocks.ts";

const BALANCED: CodecProfile = {
  name: "balanced",
  keyStep: 2.2,
  valueStep: 2.2,
  sinkCount: 4,
  layerFactors: null,
};

const STORED: [
  what: string,
  format: BlockFormat,
  kind: "sealed" | "raw",
  length: number,
  crc: string,
][] = [
  ["a paper block", FORMAT, "sealed", 3680, "affd09cc"],
  ["raw tiles", FORMAT, "raw", 16488, "f6fca8af"],
  ["a banded block", { ...FORMAT, profile: BALANCED }, "sealed", 3624, "972b8f8d"],
];

for (const [what, format, kind, length, crc] of STORED) {
  Deno.test(`the file of ${what} keeps its bytes, and is read back`, () => {
    const block = makeBlock(7, kind);
    const bytes = packBlockFile(format, block);
    assertEquals([bytes.length, crc32(bytes).toString(16)], [length, crc]);
    assertEquals(parseBlockFile(format, block.key, bytes), block);
  });
}

Deno.test("a saved sequence keeps its bytes, and is read back", async () => {
  const format = { ...FORMAT, fingerprint: "f", codecName: "c" };
  const saved = { tokenIds: [1, 2, 3], tokenCount: 2, blocks: [makeBlock(7), makeBlock(8, "raw")] };
  const bytes = await packSequence(format, saved);
  assertEquals([bytes.length, crc32(bytes).toString(16)], [20396, "e4283138"]);
  assertEquals(await parseSequence(format, bytes), saved);
});

Deno.test("the file of an int8 block holds its portable form, and is refused if a scale is 0", () => {
  const format: BlockFormat = { ...FORMAT, profile: { name: "int8" } };
  const codec = createCodec(FORMAT, { name: "int8" }, null);
  const records = [0, 1].map((layer) =>
    codec.pack(sampleTile("gaussian", FORMAT, layer), { layer, blockIndex: 0 })
  );
  const { key } = makeBlock(7);
  const blockOf = (parts: readonly Uint32Array[]) => ({
    key,
    recordWords: parts.map(({ length }) => length),
    words: new Uint32Array(parts.flatMap((part) => [...part])),
  });
  const block = blockOf(records);
  const bytes = packBlockFile(format, block);
  assertEquals(parseBlockFile(format, key, bytes), block);
  assertThrows(
    () => packBlockFile(format, blockOf([records[0].with(0, 0)])),
    RangeError,
    "scale 0",
  );
  const paper = packBlockFile(FORMAT, makeBlock(7));
  assertThrows(() => parseBlockFile(format, key, paper), RangeError, "version 1, must be 3");
});

Deno.test("a portable block is refused where the profile has no such form", () => {
  const banded = { ...FORMAT, profile: BALANCED };
  const block = makeBlock(7);
  const bytes = packBlockFile(FORMAT, block);
  assertThrows(() => parseBlockFile(banded, block.key, bytes), RangeError, "no such form");
});

for (const kind of ITEM_KINDS) {
  Deno.test(`a cold file is smaller, read back, and refused if a bit is flipped (${kind})`, () => {
    const block = makeBlock(7, kind);
    const bytes = packBlockFile(COLD_FORMAT, block);
    assertLess(bytes.length, packBlockFile(FORMAT, block).length);
    assertEquals(parseBlockFile(COLD_FORMAT, block.key, bytes), block);
    for (let index = 0; index < bytes.length; index += 1 + (index >> 4)) {
      const damaged = bytes.with(index, bytes[index] ^ 1 << (index % 8));
      const refused = () => parseBlockFile(COLD_FORMAT, block.key, damaged as typeof bytes);
      assertThrows(refused, RangeError, block.key);
    }
  });
}

Deno.test("files of before the cold form are read by servers that write it", () => {
  for (const kind of ["sealed", "raw"] as const) {
    const block = makeBlock(9, kind);
    const bytes = packBlockFile(FORMAT, block);
    assertEquals(parseBlockFile(COLD_FORMAT, keyOf(9, kind), bytes), block);
  }
});

Deno.test("a cold file with a right checksum is refused where its records cannot be", () => {
  const block = makeBlock(7);
  const bytes = packBlockFile(COLD_FORMAT, block);
  const changed = bytes.slice();
  changed[bytes.length - 1] ^= 1;
  changed.fill(0, 20, 24);
  new DataView(changed.buffer).setUint32(20, crc32(changed), true);
  const refused = () => parseBlockFile(COLD_FORMAT, block.key, changed);
  assertThrows(refused, RangeError, "Cannot read a cold block");
});
