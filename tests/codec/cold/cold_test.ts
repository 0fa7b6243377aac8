/** The cold form: what it gives back, what it refuses, and that it is FORMAT.md's. */

import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { BandedLayout } from "../../../src/codec/banded/layout.ts";
import { checkBanded } from "../../../src/codec/banded/check.ts";
import { unpackBanded } from "../../../src/codec/banded/unpack.ts";
import type { AnyCodec } from "../../../src/codec/registry.ts";
import { bytesAt, take, withMemory } from "../../../src/codec/cold/kernel_memory.ts";
import { packCold } from "../../../src/codec/cold/pack_cold.ts";
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
const FORMAT_URL = new URL("../../../src/codec/FORMAT.md", import.meta.url);
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
        const bytes = packCold(codec.rows, records);
        const back = parseCold(codec.rows, LAYERS, bytes);
        assertEquals(back, records.map(({ words }) => words), `${kind}, block ${blockIndex}`);
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
  const blocks = [0, 1].map((index) => packCold(codec.rows, recordsOf(codec, "gaussian", index)));
  const causes = new Set<string>();
  let accepted = 0;
  for (let index = 0; index < FUZZ_COUNT; index++) {
    const bytes = blocks[index % 2].slice();
    for (let count = 1 + below(3); count > 0; count--) {
      const at = below(random() < 0.5 ? bytes.length : 60);
      bytes[at] = random() < 0.5 ? bytes[at] ^ 1 << below(8) : below(256);
    }
    const changed = random() < 0.1 ? bytes.slice(0, below(bytes.length)) : bytes;
    try {
      const records = parseCold(codec.rows, LAYERS, changed);
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
