import { assert, assertEquals, assertThrows } from "@std/assert";
import { checkBanded } from "../../../src/codec/banded/check.ts";
import { bitCount } from "../../../src/core/bit_count.ts";
import { extraWords, sectionHead } from "../../../src/codec/banded/dropped.ts";
import { BandedLayout } from "../../../src/codec/banded/layout.ts";
import { measureBanded, packBanded, packSinks } from "../../../src/codec/banded/pack.ts";
import { ERROR_PLACE_COUNT, quantiseBanded } from "../../../src/codec/banded/quantise.ts";
import { TOKEN_FACTORS } from "../../../src/codec/banded/tables.ts";
import { UnitReader } from "../../../src/codec/banded/units.ts";
import { sinkValue, unpackBanded } from "../../../src/codec/banded/unpack.ts";
import { packedValues } from "../../../src/codec/banded/values.ts";
import { crc32 } from "node:zlib";
import { KEY, type Side, VALUE } from "../../../src/codec/record.ts";
import { rawTileFrom, rawTileValues } from "../../../src/codec/raw_tile.ts";
import { seededTables } from "../../support/banded_samples.ts";
import { SAMPLE_KINDS, type SampleKind, sampleTile } from "../../support/codec_samples.ts";
import { dropChannels, keptChannels } from "../../support/dropped_channels.ts";

const SHAPE = { kvHeadCount: 2, headSize: 64 };

/** Words and checksum of records; they change with the format's version only. */
const GOLDEN: [number, string][] = [[1952, "d6e554c5"], [2452, "7272976e"], [3064, "a6f27b7a"]];

/** A block of a sample, packed. */
function packedCase(kind: SampleKind, seed: number, sinkCount: number) {
  const layout = new BandedLayout({ ...SHAPE, sinkCount });
  const tables = seededTables(SHAPE, seed);
  const tile = sampleTile(kind, SHAPE, seed);
  const block = quantiseBanded(SHAPE, tile, { tables, firstToken: sinkCount });
  const sinks = packSinks(layout, tile);
  const record = packBanded(layout, { block, tables }, sinks);
  return { layout, tables, tile, block, sinks, record, hasSinks: sinkCount > 0 };
}

for (const kind of SAMPLE_KINDS) {
  for (const sinkCount of [0, 4]) {
    Deno.test(`a banded record of ${kind} with ${sinkCount} sinks gives its codes, steps and sinks back`, () => {
      const made = packedCase(kind, 7 + sinkCount, sinkCount);
      const { layout, tables, hasSinks, record, block } = made;
      checkBanded(layout, record, { tables, hasSinks });
      const read = unpackBanded(layout, record, { tables, hasSinks });
      assertEquals(read.block.tokenCount, 64 - sinkCount);
      assertEquals(read.sinks, made.sinks);
      assertEquals(read.block.sides, block.sides);
      const payload = measureBanded(layout, made).reduce((sum, words) => sum + words, 0);
      assertEquals(record.length, layout.recordWords(payload, hasSinks));
    });
  }
}

Deno.test("a banded record without some channels gives the others back, and has neither their digits nor indexes", () => {
  const made = packedCase("gaussian", 9, 4);
  const { layout, tables, block, sinks } = made;
  const sizes = measureBanded(layout, made);
  for (const kind of [0, 1, 2, 3]) {
    const thin = { ...block, sides: structuredClone(block.sides) };
    const kept = keptChannels(SHAPE, kind);
    dropChannels(thin, kept);
    const record = packBanded(layout, { block: thin, tables }, sinks);
    const read = unpackBanded(layout, record, { tables, hasSinks: true });
    assertEquals(read.block.sides, thin.sides);
    assertEquals(read.sinks, made.sinks);
    const own = measureBanded(layout, { block: thin, tables });
    const extra = own.reduce((sum, size) => sum + extraWords(size), 0);
    assertEquals(record.length, layout.recordWords(extra, true));
    for (const [section, word] of kept.entries()) {
      const there = bitCount(word);
      const source = { index: section, tables };
      const unit = new UnitReader(layout, sectionHead(record, section), source);
      let unitCount = 0;
      while (unit.next()) unitCount++;
      assertEquals(unitCount, 8 * there);
      // Three bits for each of eight packs of a channel, and the word that says which are there.
      const headWords = there === 32 ? 24 : 1 + Math.ceil(24 * there / 32);
      assertEquals(own[section] >>> 16, 32 - there);
      assertEquals(extraWords(own[section]), headWords - 24 + (own[section] & 0xffff));
      assert((own[section] & 0xffff) <= sizes[section]);
    }
    assertEquals(own.slice(kept.length), sizes.slice(kept.length));
    const values = packedValues(tables, read.block, KEY);
    const dropped = Array.from({ length: 128 }, (_, channel) => channel)
      .filter((channel) => ((kept[channel >> 5] >>> (channel & 31)) & 1) === 0);
    assert(dropped.every((channel) => values[channel] === 0 && values[30 * 128 + channel] === 0));
  }
});

/** Errors of a block read back, in codes, by channel and place. */
function codeErrors(kind: SampleKind, side: Side): Float64Array[] {
  const { tables, tile, block } = packedCase(kind, 21, 0);
  const raw = rawTileValues(SHAPE, tile, side);
  const read = packedValues(tables, block, side);
  const [steps, factors] = side === KEY
    ? [tables.keyStep, TOKEN_FACTORS.key]
    : [tables.valueStep, TOKEN_FACTORS.value];
  return Array.from(
    { length: 128 },
    (_, channel) =>
      Float64Array.from({ length: 64 }, (_, place) => {
        const at = place * 128 + channel;
        return (read[at] - raw[at]) / (steps[channel] * factors[block.sides[side].params[place]]);
      }),
  );
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

Deno.test("codes of E8 have 14% less squared error than the 1/12 of codes by themselves", () => {
  for (const kind of SAMPLE_KINDS) {
    for (const side of [KEY, VALUE] as Side[]) {
      const errors = codeErrors(kind, side).flatMap((each) => [...each]);
      const squared = mean(errors.map((error) => error ** 2));
      // The second moment of E8 is 929/12960; the carried part of V's errors adds 1/16 of it.
      const most = 0.0717 * (side === KEY ? 1.03 : 1.1);
      if (kind === "gaussian") assert(squared < most, `side ${side}: ${squared}`);
      assert(errors.every((error) => Math.abs(error) < 1.27), "no error is beyond the lattice's");
    }
  }
});

Deno.test("errors of V cancel along a channel's tokens, those of K do not", () => {
  const [keys, values] = ([KEY, VALUE] as Side[]).map((side) => {
    let power = 0;
    let sumPower = 0;
    for (const errors of codeErrors("gaussian", side)) {
      const own = errors.slice(0, ERROR_PLACE_COUNT);
      power += own.reduce((sum, error) => sum + error ** 2, 0);
      sumPower += own.reduce((sum, error) => sum + error, 0) ** 2;
    }
    return sumPower / power;
  });
  // Independent errors give 1; a quarter of each carried gives 3/4 squared plus what is at the end.
  assert(keys > 0.8 && values < 0.75, `K ${keys}, V ${values}`);
});

Deno.test("tokens of small V have finer steps, in K too", () => {
  const tables = seededTables(SHAPE, 3, { normReference: 1 });
  const values = new Float32Array(64 * 128).map((_, i) => i < 128 ? 0.25 : 1);
  const tile = rawTileFrom(SHAPE, values.map(() => 1), values);
  const { sides } = quantiseBanded(SHAPE, tile, { tables, firstToken: 0 });
  assertEquals(Array.from(sides[KEY].params.subarray(0, 3)), [56, 64, 64]);
});

Deno.test("a record keeps the sinks exactly", () => {
  const { layout, record, tile } = packedCase("gaussian", 5, 4);
  const keys = rawTileValues(SHAPE, tile, VALUE);
  for (const [token, channel] of [[0, 0], [3, 127], [1, 64]]) {
    const at = { side: VALUE, head: channel >> 6, token, channel: channel & 63 };
    assertEquals(sinkValue(layout, record, at), keys[token * 128 + channel]);
  }
});

Deno.test("checkBanded() refuses a wrong bit or lets it mean other codes, steps or sinks", () => {
  const { layout, tables, record, hasSinks } = packedCase("gaussian", 9, 4);
  const original = JSON.stringify(unpackBanded(layout, record, { tables, hasSinks }));
  const stride = Math.floor(record.length * 32 / 60) | 1;
  let refusedCount = 0;
  for (let bit = 0; bit < record.length * 32; bit += stride) {
    const changed = record.slice();
    changed[bit >> 5] ^= 1 << (bit & 31);
    try {
      checkBanded(layout, changed, { tables, hasSinks });
      const read = JSON.stringify(unpackBanded(layout, changed, { tables, hasSinks }));
      assert(read !== original, `bit ${bit} means nothing`);
    } catch (error) {
      assert(error instanceof RangeError, String(error));
      refusedCount++;
    }
  }
  assert(refusedCount > 0);
});

Deno.test("checkBanded() refuses cut, grown and shifted records", () => {
  const { layout, tables, record, hasSinks } = packedCase("mixed scales", 4, 0);
  const facts = { tables, hasSinks };
  const grown = new Uint32Array(record.length + 4);
  grown.set(record);
  const shifted = record.map((word, index) => index === 0 ? word + 1 : word);
  assertThrows(() => checkBanded(layout, record.slice(0, -4), facts), RangeError);
  assertThrows(() => checkBanded(layout, grown, facts), RangeError, "sections end");
  assertThrows(() => checkBanded(layout, shifted, facts), RangeError, "section 0");
});

Deno.test("quantiseBanded() refuses infinity and NaN, in sinks too", () => {
  const tables = seededTables(SHAPE, 1);
  for (const bits of [0x7c00, 0xfc00, 0x7e01]) {
    const tile = sampleTile("gaussian", SHAPE, 2);
    tile[0] = bits;
    assertThrows(() => quantiseBanded(SHAPE, tile, { tables, firstToken: 4 }), RangeError, "NaN");
  }
});

Deno.test("banded records of seeded blocks keep their bytes: both ends wrong alike would show", () => {
  const sums = ([["gaussian", 0], ["gaussian", 4], ["mixed scales", 4]] as const).map(
    ([kind, sinkCount]) => {
      const { record } = packedCase(kind, 3, sinkCount);
      return [record.length, crc32(new Uint8Array(record.buffer)).toString(16)];
    },
  );
  assertEquals(sums, GOLDEN);
});
