import { assert, assertEquals, assertThrows } from "@std/assert";
import { bytesAt, take, withMemory } from "../../../src/codec/cold/kernel_memory.ts";
import { DeltaKvCodec } from "../../../src/codec/deltakv/codec.ts";
import { checkDeltaKv } from "../../../src/codec/deltakv/record.ts";
import { DELTAKV_PROFILES } from "../../../src/codec/deltakv/settings.ts";
import { PaperCodec } from "../../../src/codec/paper/codec.ts";
import { PAPER_PROFILES } from "../../../src/codec/paper/settings.ts";
import { SAMPLE_KINDS, sampleTile } from "../../support/codec_samples.ts";
import { describedTile, kindOf, sampleTurns } from "../../support/described_tiles.ts";

const CASES = [
  { shape: { kvHeadCount: 1, headSize: 32 }, settings: { packSize: 8, stride: 4 } },
  { shape: { kvHeadCount: 3, headSize: 64 }, settings: { neighbourCount: 2 } },
  {
    shape: { kvHeadCount: 17, headSize: 32 },
    settings: { keyRel: 1 / 254, valueRel: 0.5, stride: 16, neighbourCount: 1 },
  },
] as const;
const PLACE = { layer: 0, blockIndex: 3 };

function codecsOf({ shape, settings }: typeof CASES[number]) {
  const turns = [sampleTurns(shape.headSize)];
  const profile = DELTAKV_PROFILES.profile({ name: "deltakv", ...settings });
  const { keyRel, valueRel, packSize } = profile;
  const paper = PAPER_PROFILES.profile({ name: "paper", keyRel, valueRel, packSize });
  return {
    turns: turns[0],
    codec: new DeltaKvCodec(shape, profile, turns),
    paper: new PaperCodec(shape, paper),
  };
}

for (const own of CASES) {
  const name = JSON.stringify(own);
  Deno.test(`DeltaKvCodec reads what profile paper reads, bit for bit, in hardly more words (${name})`, () => {
    const { codec, paper, turns } = codecsOf(own);
    const tiles = [
      ...SAMPLE_KINDS.slice(own.shape.kvHeadCount > 3 ? -1 : 0)
        .map((kind) => sampleTile(kind, own.shape, 7)),
      describedTile(own.shape, { seed: 1, turns }),
      describedTile(own.shape, { seed: 2, noise: 0.6, turns }),
    ];
    for (const tile of tiles) {
      const [record, plain] = [codec.pack(tile, PLACE), paper.pack(tile)];
      checkDeltaKv(codec.layout, record);
      assertEquals(codec.unpack(record, PLACE), paper.unpack(plain));
      assert(record.length <= plain.length + codec.layout.flagWords, "no record is longer");
    }
  });

  Deno.test(`tokens that centres describe take fewer words, and tokens that none does fall back (${name})`, () => {
    const { codec, paper, turns } = codecsOf(own);
    const tile = describedTile(own.shape, { seed: 1, noise: 0.02, turns });
    const [record, plain] = [codec.pack(tile, PLACE), paper.pack(tile)];
    assert(codec.layout.hasTable(record));
    assert(record.length < 0.8 * plain.length, `${record.length} words for ${plain.length}`);
    const noise = codec.pack(sampleTile("gaussian", own.shape, 3), PLACE);
    assert(!codec.layout.hasTable(noise), "nothing describes noise");
  });
}

Deno.test("a token is described by centres near to it over keys before RoPE and values, and keys unturned pack worse", () => {
  const { codec, turns } = codecsOf(CASES[1]);
  const { layout } = codec;
  const tile = describedTile(layout, { seed: 4, noise: 0.02, turns });
  const record = codec.pack(tile, PLACE);
  for (let token = 0; token < 64; token++) {
    const centres = [...Array(layout.centreCount).keys()].filter((centre) =>
      (record[layout.tableWord(centre) + (token >> 5)] >>> (token & 31) & 1) === 1
    );
    assertEquals(centres.length, layout.isCentre(token) ? 0 : 2);
    assert(centres.every((centre) => kindOf(centre * layout.stride) === kindOf(token)));
  }
  const unturned = new DeltaKvCodec(layout, codec.profile, null);
  assert(unturned.pack(tile, PLACE).length > record.length);
});

Deno.test("a record's head is checked: sections, padding, and how many centres a token has", () => {
  const { codec, turns } = codecsOf(CASES[1]);
  const { layout } = codec;
  const good = codec.pack(describedTile(layout, { seed: 1, turns }), PLACE);
  const faults: [string, (record: Uint32Array) => void][] = [
    ["sections that it does not have", (record) => record[0] |= 1 << 6],
    ["token 1 has", (record) => record[layout.tableWord(0)] ^= 2],
    ["token 0 has 1 centres; wanted 0", (record) => record[layout.tableWord(3)] |= 1],
    ["padding", (record) => record[layout.tableWord(layout.centreCount)] = 1],
    ["section 0 does not start", (record) => record[layout.headWords(true)]++],
  ];
  for (const [message, spoil] of faults) {
    const record = good.slice();
    spoil(record);
    assertThrows(() => checkDeltaKv(layout, record), RangeError, message);
  }
  assertThrows(() => checkDeltaKv(layout, good.subarray(0, 8)), RangeError, "8 words only");
});

Deno.test("a head grows by its table and the padding of both, as FORMAT.md section 11.5 counts", () => {
  for (const [stride, grown] of [[16, 8], [10, 12]]) {
    const shape = { kvHeadCount: 1, headSize: 32 };
    const { codec: { layout } } = codecsOf({ shape, settings: { stride } } as typeof CASES[0]);
    assertEquals([layout.headWords(false), layout.tableWords], [4, grown]);
  }
});

Deno.test("DeltaKvRows splits a record and makes it again, with a table and without, and refuses others", () => {
  const { codec, turns } = codecsOf(CASES[1]);
  const { rows } = codec;
  const tiles = [
    describedTile(codec.layout, { seed: 1, turns }),
    sampleTile("gaussian", codec.layout, 3),
  ];
  const records = tiles.map((tile) => codec.pack(tile, PLACE));
  assertEquals(records.map((record) => codec.layout.hasTable(record)), [true, false]);
  for (const record of records) {
    withMemory(() => {
      const at = take(rows.rowCountMax * 64);
      const count = rows.split(record, 0, at);
      assertEquals(rows.join({ at, count }, 0), record);
      assertThrows(() => rows.join({ at, count: 3 }, 0), RangeError, "3 rows");
      if (count < rows.rowCountMax) return;
      bytesAt(at, count * 64)[count * 64 - 1] = 1;
      assertThrows(() => rows.join({ at, count }, 0), RangeError, "padding is not zero");
      bytesAt(at, count * 64).fill(0, (count - 1) * 64);
      assertThrows(() => rows.join({ at, count }, 0), RangeError, "its head is none");
    });
  }
});
