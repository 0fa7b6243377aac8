/** The cold form: what it gives back, what it refuses, and that it is FORMAT.md's. */

import { crc32 } from "node:zlib";
import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { BandedLayout } from "../../../src/codec/banded/layout.ts";
import { checkBanded } from "../../../src/codec/banded/check.ts";
import { unpackBanded } from "../../../src/codec/banded/unpack.ts";
import type { AnyCodec } from "../../../src/codec/registry.ts";
import { bytesAt, take, withMemory } from "../../../src/codec/cold/kernel_memory.ts";
import { packCold } from "../../../src/codec/cold/pack_cold.ts";
import { packRows } from "../../../src/codec/cold/pack_rows.ts";
import { turnOf } from "../../../src/codec/cold/turn.ts";
import { parseCold } from "../../../src/codec/cold/parse_cold.ts";
import { createCodec, PROFILE_NAMES } from "../../../src/codec/profile.ts";
import { rawTileFrom } from "../../../src/codec/raw_tile.ts";
import { seededTables } from "../../support/banded_samples.ts";
import { type SampleKind, sampleTile } from "../../support/codec_samples.ts";
import { seededRandom } from "../../support/numeric.ts";

const SHAPE = { kvHeadCount: 2, headSize: 64 };
const LAYERS = [0, 1, 2];
const LAYOUT = new BandedLayout({ ...SHAPE, sinkCount: 4 });
const TABLES = LAYERS.map((layer) => seededTables(LAYOUT, 7 + layer, {}));
/** As RoPE turns keys. */
const TURNS = LAYERS.map(() =>
  Uint32Array.from({ length: SHAPE.headSize / 2 }, (_, pair) => turnOf(1e4 ** (-pair / 32)))
);
const FORMAT_URL = new URL("../../../src/codec/FORMAT.md", import.meta.url);
/** Checksums of seeded blocks of version 2. */
const GOLDEN_SUMS = [622_473_132, 2_868_020_008, 1_336_824_013];
/** Changed blocks; `PACKKV_FUZZ=100000` for a long run. */
const FUZZ_COUNT = Number(Deno.env.get("PACKKV_FUZZ") ?? 600);

function codecOf(name: (typeof PROFILE_NAMES)[number]): AnyCodec {
  return createCodec(SHAPE, { name }, TABLES);
}

/** Encodes of all layers of a block, `blockIndex` 0 being a sequence's first. */
function recordsOf(codec: AnyCodec, kind: SampleKind, blockIndex: number) {
  return LAYERS.map((layer) => ({
    layer,
    words: codec.pack(sampleTile(kind, SHAPE, 90 + layer), { layer, blockIndex }),
  }));
}

/** What codes differ most by. */
const KINDS = ["gaussian", "zero", "extreme", "mixed scales"] as const;

for (const name of PROFILE_NAMES) {
  Deno.test(`parseCold() undoes packCold() of ${name} records, first blocks and others`, () => {
    const codec = codecOf(name);
    for (const kind of KINDS) {
      for (const blockIndex of [0, 1]) {
        const records = recordsOf(codec, kind, blockIndex);
        for (const turns of [TURNS, null]) {
          const bytes = packCold(codec.rows, records, turns);
          const back = parseCold(codec.rows, LAYERS, bytes, turns);
          assertEquals(back, records.map(({ words }) => words), `${kind}, block ${blockIndex}`);
        }
      }
    }
  });
}

Deno.test("the rows of a banded record are the codes that unpackBanded() gives", () => {
  const codec = codecOf("balanced");
  for (const blockIndex of [0, 1]) {
    const [{ words }] = recordsOf(codec, "gaussian", blockIndex);
    const hasSinks = blockIndex === 0;
    const { block } = unpackBanded(LAYOUT, words, { tables: TABLES[0], hasSinks });
    withMemory(() => {
      const rows = take(codec.rows.rowCountMax * 64);
      codec.rows.split(words, 0, rows);
      const tokenCount = LAYOUT.packedTokenCount(hasSinks);
      const codes = bytesAt(rows, 2 * LAYOUT.channelCount * 64);
      const wanted = [...block.sides[0].codes, ...block.sides[1].codes];
      const present = (_: number, index: number) => index % 64 < tokenCount;
      assertEquals([...codes].filter(present), wanted.filter(present));
    });
  }
});

Deno.test("parseCold() reads banded records that were written as rows, as before version 2", () => {
  const codec = codecOf("balanced");
  for (const blockIndex of [0, 1]) {
    const records = recordsOf(codec, "gaussian", blockIndex);
    const bytes = packRows(codec.rows, records);
    assertEquals([bytes[0], packCold(codec.rows, records)[0]], [1, 2]);
    assertEquals(parseCold(codec.rows, LAYERS, bytes, TURNS), records.map(({ words }) => words));
  }
});

/** Tables with the same step for all channels of K. */
function evenTables(): typeof TABLES {
  return TABLES.map((own) => ({
    ...own,
    keyStep: own.keyStep.map(() => 0.25),
    keyRecip: own.keyRecip.map(() => 4),
  }));
}

/** Records of keys that turn as RoPE turns them, and of noise a tenth as large. */
function turningRecords(codec: AnyCodec) {
  const random = seededRandom(5);
  const width = SHAPE.kvHeadCount * SHAPE.headSize;
  const noise = () => 0.2 * (random() + random() + random() - 1.5);
  return LAYERS.map((layer) => {
    const keys = Float32Array.from({ length: 64 * width }, (_, index) => {
      const channel = index % width;
      const turn = TURNS[layer][(channel % SHAPE.headSize) >> 1] / 2 ** 32;
      const angle = 2 * Math.PI * (turn * Math.floor(index / width) + 0.1 * (channel >> 1));
      return (channel % 2 === 0 ? Math.cos(angle) : Math.sin(angle)) + noise();
    });
    // Values of one size keep the step of all tokens.
    const values = Float32Array.from(keys, (_, index) => index % width % 3 - 1);
    const tile = rawTileFrom(SHAPE, keys, values);
    return { layer, words: codec.pack(tile, { layer, blockIndex: 1 }) };
  });
}

Deno.test("cold blocks foretell how keys turn, and are read with the turns they were written with", () => {
  const codec = createCodec(SHAPE, { name: "balanced" }, evenTables());
  const records = turningRecords(codec);
  const turning = packCold(codec.rows, records, TURNS);
  assertLess(turning.length, 0.9 * packCold(codec.rows, records).length);
  assertLess(turning.length, 0.8 * packRows(codec.rows, records).length);
  assertThrows(() => parseCold(codec.rows, LAYERS, turning), RangeError, "other turns of keys");
});

Deno.test("packCold() of seeded banded records gives the bytes of version 2, whatever the machine", () => {
  const codec = codecOf("balanced");
  const blocks = [0, 1].map((index) => recordsOf(codec, "mixed scales", index));
  const sums = [...blocks, turningRecords(codec)]
    .map((records) => crc32(packCold(codec.rows, records, TURNS)));
  assertEquals(sums, GOLDEN_SUMS);
});

Deno.test("cold blocks of values near their channels' means are much smaller", () => {
  const codec = codecOf("paper");
  const records = recordsOf(codec, "gaussian", 1);
  const packedBytes = records.reduce((sum, { words }) => sum + words.byteLength, 0);
  assertLess(packCold(codec.rows, records).length, 0.75 * packedBytes);
});

Deno.test(`${FUZZ_COUNT} changed cold blocks are refused with a cause or are sound records`, () => {
  const codec = codecOf("balanced");
  const random = seededRandom(3);
  const below = (count: number) => Math.floor(random() * count);
  const blocks = [0, 1, 2].map((index) => {
    const records = recordsOf(codec, "gaussian", index % 2);
    return index < 2 ? packCold(codec.rows, records, TURNS) : packRows(codec.rows, records);
  });
  const causes = new Set<string>();
  let accepted = 0;
  for (let index = 0; index < FUZZ_COUNT; index++) {
    const bytes = blocks[index % blocks.length].slice();
    for (let count = 1 + below(3); count > 0; count--) {
      const at = below(random() < 0.5 ? bytes.length : 60);
      bytes[at] = random() < 0.5 ? bytes[at] ^ 1 << below(8) : below(256);
    }
    const changed = random() < 0.1 ? bytes.slice(0, below(bytes.length)) : bytes;
    try {
      const records = parseCold(codec.rows, LAYERS, changed, TURNS);
      for (const [layer, record] of records.entries()) {
        const hasSinks = record[0] === LAYOUT.sectionsWord(true);
        checkBanded(LAYOUT, record, { tables: TABLES[layer], hasSinks });
      }
      accepted++;
    } catch (error) {
      assert(error instanceof RangeError, `case ${index}: ${error}`);
      assert(/^Cannot [a-z]+ .+/.test(error.message), `case ${index}: ${error.message}`);
      causes.add(error.message.replaceAll(/\d+/g, "n"));
    }
  }
  // Nothing but the file's checksum tells a changed code from another one; the states do mostly.
  assertLess(accepted, FUZZ_COUNT / 50);
  assert(causes.size >= 8, [...causes].join("\n"));
});

/** The bytes that FORMAT.md section 9.6 lists. */
async function listedBytes(): Promise<Uint8Array> {
  const text = await Deno.readTextFile(FORMAT_URL);
  const [, section] = text.split("### 9.6");
  const listing = section.match(/```hex\n([^`]*)```/);
  assert(listing !== null, "FORMAT.md lists the bytes of its example");
  return Uint8Array.from(listing[1].trim().split(/\s+/), (byte) => parseInt(byte, 16));
}

Deno.test("packCold() gives the bytes of FORMAT.md's worked example, and parseCold() reads them", async () => {
  const shape = { kvHeadCount: 1, headSize: 32 };
  const keys = new Float32Array(64 * 32);
  const values = new Float32Array(64 * 32);
  keys.set([127, -63.5, 2.25]);
  values[63 * 32 + 31] = -0.5;
  const codec = createCodec(shape, { name: "int8" }, null);
  const place = { layer: 0, blockIndex: 0 };
  const words = codec.pack(rawTileFrom(shape, keys, values), place);
  assertEquals(packCold(codec.rows, [{ layer: 0, words }]), await listedBytes());
  assertEquals(parseCold(codec.rows, [0], await listedBytes()), [words]);
  assertThrows(
    () => parseCold(codec.rows, [0, 0], packCold(codec.rows, [{ layer: 0, words }])),
    RangeError,
    "Cannot read a cold block",
  );
});
