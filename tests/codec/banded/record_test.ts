import { assert, assertEquals, assertThrows } from "@std/assert";
import { checkBanded } from "../../../src/codec/banded/check.ts";
import { BandedLayout } from "../../../src/codec/banded/layout.ts";
import { measureBanded, packBanded, packSinks } from "../../../src/codec/banded/pack.ts";
import {
  dequantiseBanded,
  ERROR_PLACE_COUNT,
  quantiseBanded,
} from "../../../src/codec/banded/quantise.ts";
import { TOKEN_FACTORS } from "../../../src/codec/banded/tables.ts";
import { sinkValue, unpackBanded } from "../../../src/codec/banded/unpack.ts";
import { crc32 } from "node:zlib";
import { KEY, type Side, VALUE } from "../../../src/codec/record.ts";
import { rawTileFrom, rawTileValues } from "../../../src/codec/raw_tile.ts";
import { repackOrder } from "../../../src/codec/repack.ts";
import { seededTables } from "../../support/banded_samples.ts";
import { SAMPLE_KINDS, type SampleKind, sampleTile } from "../../support/codec_samples.ts";

const SHAPE = { kvHeadCount: 2, headSize: 64 };

/** Words and checksum of records; they change with the format's version only. */
const GOLDEN: [number, string][] = [[1892, "4728f618"], [2392, "54d2ec02"], [3044, "75b09321"]];

/** A block of a sample, packed. */
function packedCase(kind: SampleKind, seed: number, sinkCount: number, rule: "none" | "greedy") {
  const layout = new BandedLayout({ ...SHAPE, sinkCount });
  const tables = seededTables(SHAPE, seed);
  const tile = sampleTile(kind, SHAPE, seed);
  const block = quantiseBanded(SHAPE, tile, { tables, firstToken: sinkCount });
  const order = repackOrder(rule, block, 8);
  const sinks = packSinks(layout, tile);
  const record = packBanded(layout, { block, order, tables }, sinks);
  return { layout, tables, tile, block, order, sinks, record, hasSinks: sinkCount > 0 };
}

for (const kind of SAMPLE_KINDS) {
  for (const sinkCount of [0, 4]) {
    Deno.test(`a banded record of ${kind} with ${sinkCount} sinks gives its codes, steps and sinks back`, () => {
      const made = packedCase(kind, 7 + sinkCount, sinkCount, "greedy");
      const { layout, tables, hasSinks, record, block, order } = made;
      checkBanded(layout, record, { tables, hasSinks });
      const read = unpackBanded(layout, record, { tables, hasSinks });
      assertEquals(read.block.tokenCount, 64 - sinkCount);
      assertEquals(read.sinks, made.sinks);
      for (const side of [KEY, VALUE]) {
        for (let i = 0; i < block.sides[side].codes.length; i++) {
          const place = i % 64;
          if (place >= block.tokenCount) continue;
          const original = i - place + order[place];
          assertEquals(read.block.sides[side].codes[i], block.sides[side].codes[original]);
        }
        for (let place = 0; place < block.tokenCount; place++) {
          const step = block.sides[side].params[order[place]];
          assertEquals(read.block.sides[side].params[place], step);
        }
      }
      const payload = measureBanded(layout, made).reduce((sum, words) => sum + words, 0);
      assertEquals(record.length, layout.recordWords(payload, hasSinks));
    });
  }
}

Deno.test("dequantiseBanded() is within half a step of every K, and of every V and what it was given", () => {
  for (const kind of SAMPLE_KINDS) {
    const { tables, tile, block } = packedCase(kind, 21, 0, "none");
    for (const side of [KEY, VALUE] as Side[]) {
      const values = rawTileValues(SHAPE, tile, side);
      for (let token = 0; token < 64; token++) {
        const step = block.sides[side].params[token];
        for (let channel = 0; channel < 128; channel++) {
          const code = block.sides[side].codes[channel * 64 + token];
          const got = dequantiseBanded(tables, code, { side, channel, step });
          const stepSize = side === KEY
            ? tables.keyStep[channel] * TOKEN_FACTORS.key[step]
            : tables.valueStep[channel] * TOKEN_FACTORS.value[step];
          const error = Math.abs(got - values[token * 128 + channel]);
          // V also has a quarter of an error of at most half a step.
          const most = side === KEY ? 0.5001 : 0.627;
          assert(error <= most * stepSize, `${kind}: error ${error} of step ${stepSize}`);
        }
      }
    }
  }
});

Deno.test("errors of V cancel along a channel's tokens, those of K do not", () => {
  const { tables, tile, block } = packedCase("gaussian", 21, 0, "none");
  const [keys, values] = ([KEY, VALUE] as Side[]).map((side) => {
    const raw = rawTileValues(SHAPE, tile, side);
    let power = 0;
    let sumPower = 0;
    for (let channel = 0; channel < 128; channel++) {
      let sum = 0;
      for (let token = 0; token < ERROR_PLACE_COUNT; token++) {
        const step = block.sides[side].params[token];
        const code = block.sides[side].codes[channel * 64 + token];
        const factor = side === KEY ? TOKEN_FACTORS.key[step] : TOKEN_FACTORS.value[step];
        const stepSize = (side === KEY ? tables.keyStep : tables.valueStep)[channel] * factor;
        const got = dequantiseBanded(tables, code, { side, channel, step });
        const error = (got - raw[token * 128 + channel]) / stepSize;
        sum += error;
        power += error ** 2;
      }
      sumPower += sum ** 2;
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
  const { layout, record, tile } = packedCase("gaussian", 5, 4, "none");
  const keys = rawTileValues(SHAPE, tile, VALUE);
  for (const [token, channel] of [[0, 0], [3, 127], [1, 64]]) {
    const at = { side: VALUE, head: channel >> 6, token, channel: channel & 63 };
    assertEquals(sinkValue(layout, record, at), keys[token * 128 + channel]);
  }
});

Deno.test("checkBanded() refuses a wrong bit or lets it mean other codes, steps or sinks", () => {
  const { layout, tables, record, hasSinks } = packedCase("gaussian", 9, 4, "none");
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
  const { layout, tables, record, hasSinks } = packedCase("mixed scales", 4, 0, "none");
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
      const { record } = packedCase(kind, 3, sinkCount, "none");
      return [record.length, crc32(new Uint8Array(record.buffer)).toString(16)];
    },
  );
  assertEquals(sums, GOLDEN);
});
