/** DeltaKV as published, against plain loops in f64: which centres, and what is read. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import type { BaselineBlock } from "../../../../src/evaluation/baselines/baseline.ts";
import { Centres } from "../../../../src/evaluation/baselines/deltakv/centres.ts";
import { deltakv } from "../../../../src/evaluation/baselines/deltakv/deltakv.ts";
import { readDeltaKvSettings } from "../../../../src/evaluation/baselines/deltakv/settings.ts";
import { roundF16 } from "../../../../src/evaluation/baselines/groups.ts";
import { RopeTable } from "../../../../src/model/rope_table.ts";
import {
  referenceLinear,
  referenceNeighbours,
  referenceRead,
  referenceRope,
  referenceSwiGlu,
  toNeighbours,
} from "../../../support/deltakv_reference.ts";
import { seededNormals } from "../../../support/numeric.ts";
import { safetensorsBytes, type TensorToWrite } from "../../../support/safetensors.ts";

const SHAPE = { kvHeadCount: 2, headSize: 32 };
/** Keys, and as many values. */
const CHANNELS = 64;
const WIDTH = 2 * CHANNELS;
const BLOCK_COUNT = 3;
const TOKEN_COUNT = 64 * BLOCK_COUNT;
const SINK_COUNT = 8;
const ROPE = {
  base: 10000,
  dimension: 32,
  pairing: "halves",
  positionScale: 1,
  yarn: null,
  magnitude: 1,
  factors: null,
} as const;
const rope = new RopeTable(ROPE, { headSize: 32, factors: null });

/** Tokens of a layer: some are like others, as those of a text are. */
function tokensOf(layer: number): number[][] {
  const kinds = seededNormals(12 * WIDTH, 50 + layer, 2);
  const own = seededNormals(TOKEN_COUNT * WIDTH, 60 + layer, 0.7);
  return Array.from(
    { length: TOKEN_COUNT },
    (_, token) =>
      Array.from(
        { length: WIDTH },
        (_, i) => kinds[(token * 5 % 12) * WIDTH + i] + own[token * WIDTH + i],
      ),
  );
}

const layerOf = (
  tokens: readonly (readonly number[])[],
  stride: number,
  neighbourCount: number,
) => ({ tokens, sinkCount: SINK_COUNT, stride, neighbourCount });

/** A token's key as a cache has it. */
const cached = (token: readonly number[], position: number) =>
  toNeighbours(referenceRope(token.slice(0, CHANNELS), 32, position), 32);

/** What the product reads of layers of tokens: by layer, block by block. */
function readOf(name: string, layers: readonly (readonly (readonly number[])[])[]) {
  const codec = deltakv(readDeltaKvSettings(name), SHAPE);
  codec.start!();
  const read = layers.map(() => ({ keys: [] as number[][], values: [] as number[][] }));
  for (let blockIndex = 0; blockIndex < BLOCK_COUNT; blockIndex++) {
    for (const [layer, tokens] of layers.entries()) {
      const own = tokens.slice(64 * blockIndex, 64 * blockIndex + 64);
      const block: BaselineBlock = {
        shape: SHAPE,
        keys: Float32Array.from(own.flatMap((token, at) => cached(token, 64 * blockIndex + at))),
        values: Float32Array.from(own.flatMap((token) => token.slice(CHANNELS))),
        firstToken: blockIndex === 0 ? SINK_COUNT : 0,
        layer,
        blockIndex,
        rope,
      };
      codec.readBackBlock(block);
      for (let token = 0; token < 64; token++) {
        const range = [token * CHANNELS, (token + 1) * CHANNELS] as const;
        read[layer].keys.push([...block.keys.subarray(...range)]);
        read[layer].values.push([...block.values.subarray(...range)]);
      }
    }
  }
  return { codec, read };
}

/** Fails where a token's keys or values are further off than `most`. */
function assertReads(
  read: { keys: number[][]; values: number[][] },
  expected: readonly (readonly number[])[],
  most: number,
) {
  expected.forEach((token, position) => {
    const wanted = [...cached(token, position), ...token.slice(CHANNELS)];
    const own = [...read.keys[position], ...read.values[position]];
    const worst = Math.max(...own.map((value, i) => Math.abs(value - wanted[i])));
    assert(worst <= most, `token ${position} is off by ${worst}`);
  });
}

/** Whole numbers with a scale and a minimum of 32 numbers, both f16. */
const inCodes = (bits: number) => (latent: readonly number[]) =>
  latent.map((value, i) => {
    const group = latent.slice(i - i % 32, i - i % 32 + 32);
    const [low, high] = [Math.min(...group), Math.max(...group)];
    const [minimum, scale] = [roundF16(low), roundF16((high - low) / (2 ** bits - 1))];
    const code = Math.min(Math.max(Math.round((value - minimum) / scale), 0), 2 ** bits - 1);
    return code * scale + minimum;
  });

const same = (vector: readonly number[]) => vector;

for (const [stride, count] of [[10, 4], [10, 1], [3, 2]]) {
  Deno.test(`the ${count} nearest of centres every ${stride} tokens are those of the reference`, () => {
    const layer = layerOf(tokensOf(0), stride, count);
    const expected = referenceNeighbours(layer);
    const centres = new Centres();
    const places: number[] = [];
    for (const [position, token] of layer.tokens.entries()) {
      const vector = Float64Array.from(token);
      if (expected[position].length === 0) {
        centres.add(vector);
        places.push(position);
        continue;
      }
      const nearest = centres.nearest(vector, count).map((index) => places[index]);
      assertEquals(nearest, expected[position], `token ${position}`);
    }
    assertEquals(places.length, SINK_COUNT + Math.ceil((TOKEN_COUNT - SINK_COUNT) / stride));
  });
}

for (const bits of [2, 4]) {
  Deno.test(`deltakv-global:bits=${bits} reads what the reference does, layer by layer, behind RoPE`, () => {
    const layers = [tokensOf(0), tokensOf(1)];
    const { codec, read } = readOf(`deltakv-global:bits=${bits}`, layers);
    for (const [index, tokens] of layers.entries()) {
      const stored = inCodes(bits);
      const expected = referenceRead(layerOf(tokens, 10, 4), { down: same, up: same, stored });
      // A code apart would be 0.3 at least, another centre more.
      assertReads(read[index], expected, 2e-3);
    }
    // Codes with 32 bits for 32 of them, 4 places of 32 bits, and a centre of ten raw besides.
    const centres = Math.ceil((TOKEN_COUNT - SINK_COUNT) / 10) / (TOKEN_COUNT - SINK_COUNT);
    const expected = bits + 1 + 4 * 32 / WIDTH + 16 * centres;
    assertEquals(codec.bits, { k: expected, v: expected });
    assertEquals(codec.codeBits.k, bits);
  });
}

Deno.test("a block of which nothing is left but centres and their likes is read as it was", () => {
  const tokens = tokensOf(0).map((_, position, all) => all[position % 8]);
  const { read } = readOf("deltakv-global:bits=4:neighbours=1", [tokens]);
  assertReads(read[0], tokens, 1e-5);
});

const LATENT = 48;
const INNER = 40;

/** Compressors as published: SwiGLU down, linear up; of layer 1 alone, or of all layers. */
function compressorTensors(prefix: string): Record<string, TensorToWrite> {
  const tensor = (rows: number, columns: number, seed: number): TensorToWrite => {
    const values = seededNormals(rows * columns, seed, 1 / Math.sqrt(columns));
    return { dtype: "F32", shape: [rows, columns], values };
  };
  return {
    [`${prefix}compress_down.w12.weight`]: tensor(2 * INNER, WIDTH, 1),
    [`${prefix}compress_down.w3.weight`]: tensor(LATENT, INNER, 2),
    [`${prefix}compress_up.weight`]: tensor(WIDTH, LATENT, 3),
  };
}

const rowsOf = ({ shape: [rows, columns], values }: TensorToWrite) =>
  Array.from(
    { length: rows },
    (_, row) => Array.from({ length: columns }, (_, i) => values[row * columns + i]),
  );

async function withFile(
  tensors: Record<string, TensorToWrite> | Uint8Array,
  body: (path: string) => void,
) {
  const path = await Deno.makeTempFile({ suffix: ".safetensors" });
  const bytes = tensors instanceof Uint8Array ? tensors : safetensorsBytes(tensors);
  await Deno.writeFile(path, bytes);
  try {
    body(path);
  } finally {
    await Deno.remove(path);
  }
}

for (const prefix of ["", "model.layers.1.self_attn."]) {
  const whose = prefix === "" ? "all layers" : "layer 1 alone";
  Deno.test(`trained compressors of ${whose} read what the reference does`, () => {
    const tensors = compressorTensors(prefix);
    const [w12, w3, up] = Object.values(tensors).map(rowsOf);
    const networks = {
      down: referenceSwiGlu(w12, w3),
      up: referenceLinear(up),
      stored: (latent: readonly number[]) => latent.map(roundF16),
    };
    return withFile(tensors, (path) => {
      const layers = [tokensOf(0), tokensOf(1)];
      const { codec, read } = readOf(`deltakv-global:compressor=${path}`, layers);
      layers.forEach((tokens, layer) => {
        // As published, layers without a pair keep everything.
        const isRead = prefix === "" || layer === 1;
        const expected = isRead ? referenceRead(layerOf(tokens, 10, 4), networks) : tokens;
        assertReads(read[layer], expected, isRead ? 2e-3 : 1e-5);
      });
      assert(codec.description.includes(`trained latent of ${LATENT} as f16`));
      const token = (16 * LATENT + 4 * 32) / WIDTH + 16 * 19 / (TOKEN_COUNT - SINK_COUNT);
      const expected = prefix === "" ? token : (token + 16) / 2;
      assert(Math.abs(codec.bits.k - expected) < 0.06, `${codec.bits.k}, wanted ${expected}`);
    });
  });
}

Deno.test("compressors in BF16 are read as the numbers that they are", () => {
  const tensors = compressorTensors("");
  const cut = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, { ...tensor, dtype: "BF16" as const }]),
  );
  const rounded = Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, values }]) => {
      const bits = new Uint32Array(Float32Array.from(values).buffer).map((word) =>
        word & 0xffff0000
      );
      return [name, { dtype: "F32" as const, shape, values: new Float32Array(bits.buffer) }];
    }),
  );
  let expected: unknown;
  return withFile(rounded, (path) => {
    expected = readOf(`deltakv-global:compressor=${path}`, [tokensOf(0)]).read;
  }).then(() =>
    withFile(cut, (path) => {
      assertEquals(readOf(`deltakv-global:compressor=${path}`, [tokensOf(0)]).read, expected);
    })
  );
});

const GOOD = compressorTensors("");
const renamed = (from: string, to: string) =>
  Object.fromEntries(Object.entries(GOOD).map(([name, own]) => [name.replace(from, to), own]));
const REFUSED: [what: string, file: Record<string, TensorToWrite> | Uint8Array, message: RegExp][] =
  [
    ["a cut file", safetensorsBytes(GOOD).subarray(0, 900), /does not fit its|header/],
    ["a file of something else", new Uint8Array(64).fill(7), /it is cut, or no safetensors file/],
    ["an empty file", new Uint8Array(3), /it has 3 bytes/],
    ["a model's weights", renamed("compress_", "other_"), /no tensors of compress_down/],
    ["a GELU network", renamed("down.w12", "down.0"), /compress_down of all layers is a GELU/],
    ["split compressors", renamed("compress_up", "k_compress_up"), /keys and values apart/],
    ["no way up", renamed("compress_up", "compress_side"), /no tensors of compress_up/],
    ["a missing matrix", renamed("down.w3", "down.w4"), /has no w3\.weight/],
    [
      "another width",
      { ...GOOD, "compress_up.weight": { ...GOOD["compress_up.weight"], shape: [LATENT, WIDTH] } },
      /compress_up of all layers takes 128 numbers to 48; wanted 48 to 128/,
    ],
    [
      "another type",
      { ...GOOD, "compress_up.weight": { ...GOOD["compress_up.weight"], dtype: "I32" } },
      /compress_up\.weight is I32; wanted F32, F16 or BF16/,
    ],
  ];

for (const [what, file, message] of REFUSED) {
  Deno.test(`compressors are refused by name: ${what}`, () =>
    withFile(file, (path) => {
      const settings = readDeltaKvSettings(`deltakv-global:compressor=${path}`);
      const { message: text } = assertThrows(() => deltakv(settings, SHAPE), RangeError);
      assert(message.test(text) && text.includes(path), text);
    }));
}

Deno.test("compressors are refused where RoPE turns a part of a head only", () =>
  withFile(GOOD, (path) => {
    const codec = deltakv(readDeltaKvSettings(`deltakv-global:compressor=${path}`), SHAPE);
    const part = new RopeTable({ ...ROPE, dimension: 16 }, { headSize: 32, factors: null });
    const [keys, values] = [new Float32Array(64 * CHANNELS), new Float32Array(64 * CHANNELS)];
    const block = {
      shape: SHAPE,
      keys,
      values,
      firstToken: 8,
      layer: 0,
      blockIndex: 0,
      rope: part,
    };
    assertThrows(() => codec.readBackBlock(block), RangeError, "a part of its heads only");
  }));
