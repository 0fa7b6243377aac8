/** DeltaKV over PackKV's packing: bits, what is read, and what falls back. */

import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { PaperCodec } from "../../../../src/codec/paper/codec.ts";
import { PAPER_PROFILE } from "../../../../src/codec/paper/settings.ts";
import { rawTileFrom } from "../../../../src/codec/raw_tile.ts";
import { deltakv } from "../../../../src/evaluation/baselines/deltakv/deltakv.ts";
import { readDeltaKvSettings } from "../../../../src/evaluation/baselines/deltakv/settings.ts";
import { roundF16 } from "../../../../src/evaluation/baselines/groups.ts";
import { RopeTable } from "../../../../src/model/rope_table.ts";
import { seededNormals } from "../../../support/numeric.ts";

const SHAPE = { kvHeadCount: 2, headSize: 32 };
const CHANNELS = 64;
const BLOCK_VALUES = 64 * CHANNELS;
/** Nothing turns, so that keys are as they are made. */
const STILL = new RopeTable(null, { headSize: 32, factors: null });

interface Side {
  keys: Float32Array;
  values: Float32Array;
}

/** Reads blocks through a codec of its own. */
function readOf(
  blocks: readonly Side[],
  { name = "deltakv-global:neighbours=1", firstToken = 8 } = {},
) {
  const codec = deltakv(readDeltaKvSettings(name), SHAPE);
  codec.start!();
  const shares: number[] = [];
  const read = blocks.map((block, blockIndex) => {
    const own = { keys: block.keys.slice(), values: block.values.slice() };
    const first = blockIndex === 0 ? firstToken : 0;
    const place = { shape: SHAPE, firstToken: first, layer: 0, blockIndex, rope: STILL };
    codec.readBackBlock({ ...place, ...own });
    shares.push(codec.fallbackShare);
    return own;
  });
  return { codec, read, shares };
}

/** As a raw tile has them. */
const noise = (seed: number): Side => ({
  keys: seededNormals(BLOCK_VALUES, seed).map(roundF16),
  values: seededNormals(BLOCK_VALUES, seed + 1).map(roundF16),
});

/** Tokens that are one of some kinds, with a little of their own. */
function likes(seed: number, kindCount = 7): Side {
  const kinds = noise(1000);
  const own = noise(seed);
  const mixed = (side: "keys" | "values") =>
    own[side].map((value, i) => {
      const [token, channel] = [Math.floor(i / CHANNELS), i % CHANNELS];
      return kinds[side][(token * 5 + seed) % kindCount * CHANNELS + channel] + 0.05 * value;
    });
  return { keys: mixed("keys"), values: mixed("values") };
}

Deno.test("tokens like no others fall back, and take what a record of profile paper takes", () => {
  const blocks = [noise(1), noise(3), noise(5)];
  const { codec, read, shares } = readOf(blocks);
  assertEquals(shares, [1, 1, 1]);
  const paper = new PaperCodec(SHAPE, PAPER_PROFILE);
  const records = blocks.map(({ keys, values }) => paper.pack(rawTileFrom(SHAPE, keys, values)));
  const values = paper.unpack(records[1]);
  const [keyStep, valueStep] = [0.1, 0.2].map((rel) => 8 * rel);
  for (let i = 0; i < BLOCK_VALUES; i++) {
    // The device rounds by reciprocals: a value between two codes may go the other way.
    assert(Math.abs(read[1].keys[i] - values.keys[i]) < keyStep);
    assert(Math.abs(read[1].values[i] - values.values[i]) < valueStep);
  }
  const differing = read[1].keys.filter((value, i) => Math.abs(value - values.keys[i]) > 1e-3);
  assert(differing.length < BLOCK_VALUES / 200, `${differing.length} codes differ`);
  // Without first tokens of its own, so that every block is whole.
  const whole = readOf(blocks, { firstToken: 0 }).codec;
  const bits = (whole.bits.k + whole.bits.v) * BLOCK_VALUES * blocks.length;
  const recordBits = records.reduce((sum, { length }) => sum + 32 * length, 0);
  // A record has its table of sections besides, and fills words.
  const besides = blocks.length * 32 * (4 + 4 + 3);
  assert(bits <= recordBits && bits > recordBits - besides, `${bits} of ${recordBits}`);
  assert(codec.bits.k > codec.codeBits.k && codec.codeBits.k > 1);
});

Deno.test("tokens like others take fewer bits than they do as they are, and are read as near", () => {
  const blocks = [likes(1), likes(2), likes(3)];
  const { codec, read, shares } = readOf(blocks);
  assertEquals(shares.at(-1), 0);
  const paper = new PaperCodec(SHAPE, PAPER_PROFILE);
  const recordBits = blocks.reduce(
    (sum, { keys, values }) => sum + 32 * paper.pack(rawTileFrom(SHAPE, keys, values)).length,
    0,
  );
  const bits = codec.bits.k + codec.bits.v;
  const plain = recordBits / (BLOCK_VALUES * blocks.length);
  assert(bits < 0.8 * plain, `${bits}, as they are ${plain}`);
  for (const [index, { keys, values }] of blocks.entries()) {
    for (let token = index === 0 ? 8 : 0; token < 64; token++) {
      const at = [token * CHANNELS, (token + 1) * CHANNELS] as const;
      for (
        const [own, from, rel] of [
          [read[index].keys, keys, 0.1],
          [read[index].values, values, 0.2],
        ] as const
      ) {
        const original = from.subarray(...at);
        const step = rel * (Math.max(...original) - Math.min(...original));
        own.subarray(...at).forEach((value, i) =>
          assert(Math.abs(value - original[i]) <= 0.501 * step, `block ${index}, token ${token}`)
        );
      }
    }
  }
});

Deno.test("a block falls back by itself, and its centres serve later ones as they are read", () => {
  const { shares } = readOf([likes(1), noise(9), likes(2)]);
  assertEquals(shares.map((share, index) => Math.round(share * (index + 1))), [0, 1, 1]);
});

Deno.test("the first tokens are read as they were, and counts begin anew with a run", () => {
  const { codec, read } = readOf([likes(1)]);
  assertEquals(read[0].keys.subarray(0, 8 * CHANNELS), likes(1).keys.subarray(0, 8 * CHANNELS));
  const before = codec.bits;
  codec.start!();
  assertEquals(codec.bits, { k: 0, v: 0 });
  const { keys, values } = likes(1);
  const place = { shape: SHAPE, firstToken: 8, layer: 0, blockIndex: 0, rope: STILL };
  codec.readBackBlock({ ...place, keys, values });
  assertEquals(codec.bits, before);
});

Deno.test("bits count the places of centres: more neighbours, more of them", () => {
  const blocks = [likes(1, 2), likes(2, 2)];
  const [one, four] = [1, 4].map((count) => {
    const { codec, shares } = readOf(blocks, { name: `deltakv-global:neighbours=${count}` });
    assertEquals(shares, [0, 0]);
    return codec;
  });
  const rest = (codec: typeof one) => codec.bits.k - codec.codeBits.k;
  assert(rest(four) > rest(one));
  // 56 and 64 tokens less their centres; behind n centres a place takes the bits of n - 1.
  assertAlmostEquals(rest(four) - rest(one), placeBits() * 3 / 2 / (120 * CHANNELS), 0.02);
});

/** Bits of a place for every token of two blocks that is no centre. */
function placeBits(): number {
  let [bits, centres] = [0, 8];
  for (let position = 8; position < 128; position++) {
    if ((position - 8) % 10 === 0) centres++;
    else bits += 32 - Math.clz32(centres - 1);
  }
  return bits;
}

const REFUSED: [string, RegExp][] = [
  ["deltakv-global:stride=1", /stride is 1; wanted a whole number from 2 to 64/],
  ["deltakv-global:neighbours=0", /neighbours is 0; wanted/],
  ["deltakv-global:bits=3", /bits is 3; wanted 2, 4, 8 or 16/],
  ["deltakv-global:centres=3", /no setting centres; it has stride, neighbours, bits, k-rel, v-rel/],
  ["deltakv-global:stride=10:stride=11", /stride stands twice/],
  ["deltakv-global:stride=", /stride is empty/],
  ["deltakv-global:compressor=", /compressor is empty; wanted a file/],
  ["deltakv-global:k-rel=0.05:bits=4", /k-rel and v-rel are of the packed form/],
];

for (const [text, message] of REFUSED) {
  Deno.test(`${text} is refused by name`, () => {
    const { message: told } = assertThrows(() => readDeltaKvSettings(text), RangeError);
    assert(message.test(told) && told.includes(text), told);
  });
}
