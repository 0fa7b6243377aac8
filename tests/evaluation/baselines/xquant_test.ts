import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { xquant } from "../../../src/evaluation/baselines/xquant.ts";
import { seededNormals } from "../../support/numeric.ts";

const SHAPE = { kvHeadCount: 2, headSize: 32 };
const CHANNELS = 64;

/** The paper's equations for one group, by itself or with the codes of another, in f64. */
function reference(values: number[], bits: 1 | 2, shared: number[] | null) {
  const eta = bits === 1 ? 1 / 6 : 0.045;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const s = (high - low) / (2 ** bits - 1);
  const codes = shared ?? values.map((value) => Math.round((value - low) / s));
  const [minimum, scale] = [low + eta * s * (2 ** bits - 1), (1 - 2 * eta) * s];
  return { codes, read: codes.map((code) => minimum + code * scale) };
}

const channelOf = (values: ArrayLike<number>, channel: number, first: number) =>
  Array.from({ length: 64 - first }, (_, i) => values[(first + i) * CHANNELS + channel]);
const headOf = (values: ArrayLike<number>, token: number, head: number) =>
  Array.from({ length: 32 }, (_, i) => values[token * CHANNELS + head * 32 + i]);

for (const bits of [1, 2] as const) {
  Deno.test(`xquant(${bits}) reads as the paper's equations do, odd layers by the codes before`, () => {
    const codec = xquant(bits, SHAPE);
    codec.start!();
    for (const firstToken of [0, 4]) {
      let [keyCodes, valueCodes]: [number[][], number[][]] = [[], []];
      for (const layer of [0, 1, 2]) {
        const [k, v] = [0, 1].map((side) => seededNormals(64 * CHANNELS, 10 * layer + side));
        const [keys, values] = [k.slice(), v.slice()];
        const origin = { layer, tile: new Uint32Array(0) };
        codec.readBackKeys({ shape: SHAPE, values: keys, firstToken }, origin);
        codec.readBackValues({ shape: SHAPE, values, firstToken }, origin);
        const isShared = layer === 1;
        keyCodes = Array.from({ length: CHANNELS }, (_, channel) => {
          const own = channelOf(k, channel, firstToken);
          const { codes, read } = reference(own, bits, isShared ? keyCodes[channel] : null);
          channelOf(keys, channel, firstToken).forEach((value, i) =>
            assertAlmostEquals(value, read[i], 5e-3)
          );
          return codes;
        });
        valueCodes = Array.from({ length: 2 * (64 - firstToken) }, (_, group) => {
          const [token, head] = [firstToken + (group >> 1), group % 2];
          const own = headOf(v, token, head);
          const { codes, read } = reference(own, bits, isShared ? valueCodes[group] : null);
          headOf(values, token, head).forEach((value, i) =>
            assertAlmostEquals(value, read[i], 5e-3)
          );
          return codes;
        });
        assertEquals(keys.subarray(0, firstToken * CHANNELS), k.subarray(0, firstToken * CHANNELS));
      }
    }
    // Of three layers two have codes; 32 bits for 64 keys, and for 32 values.
    assertAlmostEquals(codec.codeBits.k, bits * 2 / 3, 1e-12);
    assertAlmostEquals(codec.bits.k, bits * 2 / 3 + 0.5, 1e-12);
    assertAlmostEquals(codec.bits.v, bits * 2 / 3 + 1, 1e-12);
  });
}

Deno.test("a fitted xquant() reads an odd layer with the least error that codes of another allow", () => {
  const codec = xquant(4, SHAPE, true);
  codec.start!();
  const origin = (layer: number) => ({ layer, tile: new Uint32Array(0) });
  const before = seededNormals(64 * CHANNELS, 1);
  // Half of it follows the layer before, turned over.
  const own = seededNormals(64 * CHANNELS, 2).map((value, i) => 3 - before[i] + value);
  const [first, second] = [before.slice(), own.slice()];
  codec.readBackKeys({ shape: SHAPE, values: first, firstToken: 0 }, origin(0));
  codec.readBackKeys({ shape: SHAPE, values: second, firstToken: 0 }, origin(1));
  for (const channel of [0, 17, 63]) {
    const [x, y, read] = [first, own, second].map((values) => channelOf(values, channel, 0));
    const errorOf = (from: readonly number[]) =>
      from.reduce((sum, value, i) => sum + (value - y[i]) ** 2, 0);
    for (const [offset, factor] of [[0, 1.05], [0, 0.95], [0.05, 1], [-0.05, 1]]) {
      const mean = read.reduce((sum, value) => sum + value, 0) / 64;
      const other = read.map((value) => mean + offset + factor * (value - mean));
      assert(errorOf(other) > errorOf(read));
    }
    assert(errorOf(read) < 0.8 * errorOf(new Array(64).fill(3)));
    // Codes are those of the layer before: a line of what that one reads.
    const slope = (read[1] - read[0]) / (x[1] - x[0]);
    assertAlmostEquals(read[9] - read[0], slope * (x[9] - x[0]), 2e-2);
  }
});

Deno.test("xquant() lets an odd layer have codes of its own if the one before is not sealed", () => {
  const codec = xquant(2, SHAPE);
  codec.start!();
  for (const layer of [3, 5]) {
    const values = seededNormals(64 * CHANNELS, layer);
    codec.readBackKeys({ shape: SHAPE, values, firstToken: 0 }, {
      layer,
      tile: new Uint32Array(0),
    });
  }
  assertEquals(codec.codeBits.k, 2);
});
