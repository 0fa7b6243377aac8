import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { BaselineCodec, BaselineSide } from "../../../src/evaluation/baselines/baseline.ts";
import { rotate, rotatedAsLlama } from "../../../src/evaluation/baselines/rotation.ts";
import { findBaseline } from "../../../src/evaluation/baselines/table.ts";
import { seededNormals } from "../../support/numeric.ts";

const sideOf = (headSize: number, firstToken = 0): BaselineSide => {
  return {
    shape: { kvHeadCount: 2, headSize },
    values: seededNormals(64 * 2 * headSize, 7),
    firstToken,
  };
};

Deno.test("rotate() multiplies each run of channels by the normalised Hadamard matrix", () => {
  const side = sideOf(64);
  const before = side.values.slice();
  rotate(side, 64);
  for (const [first, row] of [[0, 0], [64, 5], [64 * 3, 63]]) {
    // Element (i, j) is (-1) to the number of ones that i and j share.
    const sign = (i: number) => (i & row).toString(2).replaceAll("0", "").length % 2 ? -1 : 1;
    let expected = 0;
    for (let i = 0; i < 64; i++) expected += sign(i) * before[first + i] / 8;
    assertAlmostEquals(side.values[first + row], expected, 1e-6);
  }
});

Deno.test("rotate() twice gives the values again, and raw tokens stay as they are", () => {
  const side = sideOf(128, 3);
  const before = side.values.slice();
  rotate(side, 128);
  assertEquals(side.values.subarray(0, 3 * 256), before.subarray(0, 3 * 256));
  assert(side.values.subarray(3 * 256).some((value, i) => value !== before[3 * 256 + i]));
  rotate(side, 128);
  before.forEach((value, i) => assertAlmostEquals(side.values[i], value, 1e-6));
});

Deno.test("rotatedAsLlama() rotates K by the whole power of two in a head and V by 64 channels", () => {
  for (const [headSize, keyRun] of [[64, 64], [128, 128], [192, 64], [256, 256]]) {
    const seen: Float32Array[] = [];
    const codec = rotatedAsLlama({
      description: "",
      bits: { k: 1, v: 1 },
      codeBits: { k: 1, v: 1 },
      readBackKeys: ({ values }) => void seen.push(values.slice()),
      readBackValues: ({ values }) => void seen.push(values.slice()),
    }, { headSize });
    const [keys, values] = [sideOf(headSize), sideOf(headSize)];
    codec.readBackKeys(keys);
    codec.readBackValues(values);
    const expected = [keyRun, 64].map((run) => {
      const side = sideOf(headSize);
      rotate(side, run);
      return side.values;
    });
    assertEquals(seen, expected);
  }
});

Deno.test("llama.cpp's baselines rotate heads of 64 and more, and say so where they do not", () => {
  const at = (headSize: number) => findBaseline("q4_0", { kvHeadCount: 1, headSize })!.codec;
  assert(at(64).description.includes("rotated (Hadamard, 64 and 64)"));
  assert(at(32).description.includes("not rotated: heads of 32"));
  const [rotated, plain] = ["q4_0", "q4_0-unrotated"].map((name) => {
    const side = sideOf(64);
    side.values[5] = 40; // one large channel: what rotation is for
    (findBaseline(name, side.shape)!.codec as BaselineCodec).readBackKeys(side);
    return Math.abs(side.values[6] - sideOf(64).values[6]);
  });
  assert(rotated < plain, `${rotated} and ${plain}`);
});
