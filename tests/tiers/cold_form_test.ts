/** Cold files of calibrated profiles: what both ends must know, and what is done without it. */

import { assertEquals, assertLess, assertThrows } from "@std/assert";
import { BandedLayout } from "../../src/codec/banded/layout.ts";
import { turnOf } from "../../src/codec/cold/turn.ts";
import { codecProfile, createCodec } from "../../src/codec/profile.ts";
import { RopeTable } from "../../src/model/rope_table.ts";
import { packBlockFile, parseBlockFile } from "../../src/tiers/block_file.ts";
import type { BlockFormat, StoredBlock } from "../../src/tiers/block_format.ts";
import { seededTables } from "../support/banded_samples.ts";
import { sampleTile } from "../support/codec_samples.ts";
import { keyOf } from "../support/disk_blocks.ts";

const SHAPE = { kvHeadCount: 2, headSize: 64 };
const LAYERS = [0, 1];
const ROPE = new RopeTable(
  {
    base: 1e4,
    dimension: SHAPE.headSize,
    pairing: "neighbours",
    positionScale: 1,
    yarn: null,
    magnitude: 1,
    factors: null,
  },
  { headSize: SHAPE.headSize, factors: null },
);
const OWN_TURNS = Uint32Array.from(ROPE.frequencies, turnOf);
const layout = new BandedLayout({ ...SHAPE, sinkCount: 4 });
const tables = LAYERS.map((layer) => seededTables(layout, 7 + layer, {}));
const FORMAT: BlockFormat = {
  root: "0123456789abcdef0123456789abcdef",
  ...SHAPE,
  profile: codecProfile({ name: "balanced" }),
  cold: { layers: LAYERS, tables, turns: LAYERS.map(() => OWN_TURNS) },
};

function makeBlock(blockIndex: number): StoredBlock {
  const codec = createCodec(SHAPE, FORMAT.profile, tables);
  const records = LAYERS.map((layer) =>
    codec.pack(sampleTile("gaussian", SHAPE, 30 + layer), { layer, blockIndex })
  );
  const words = new Uint32Array(records.flatMap((record) => [...record]));
  return {
    key: keyOf(blockIndex, "sealed"),
    recordWords: records.map(({ length }) => length),
    words,
  };
}

Deno.test("cold files of a calibrated profile are read by another thread, and not with other turns", () => {
  const otherThread = structuredClone(FORMAT);
  const still = { ...FORMAT, cold: { layers: LAYERS, tables } };
  for (const blockIndex of [0, 1]) {
    const block = makeBlock(blockIndex);
    const file = packBlockFile(FORMAT, block);
    assertLess(file.length, 4 * block.words.length);
    assertEquals(parseBlockFile(otherThread, block.key, file).words, block.words);
    assertThrows(() => parseBlockFile(still, block.key, file), RangeError, "other turns of keys");
  }
});

Deno.test("turns of the cold form are the angles by which RopeTable turns keys from row to row", () => {
  const rows = new Float32Array(2 * ROPE.rowLength);
  ROPE.fillRow(rows, 0, 40);
  ROPE.fillRow(rows, 1, 41);
  const next = rows.subarray(ROPE.rowLength);
  for (const [pair, turn] of OWN_TURNS.entries()) {
    const angle = 2 * Math.PI * turn / 2 ** 32;
    const [cosine, sine] = [rows[2 * pair], rows[2 * pair + 1]];
    const turned = cosine * Math.cos(angle) - sine * Math.sin(angle);
    assertLess(Math.abs(turned - next[2 * pair]), 1e-5, `pair ${pair}`);
  }
});
