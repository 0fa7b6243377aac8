import { assertEquals } from "@std/assert";
import {
  groupsOfChannels,
  groupsOfTokens,
  readBackAsymmetric,
} from "../../../src/evaluation/baselines/groups.ts";

const SHAPE = { kvHeadCount: 1, headSize: 32 };
const side = (firstToken: number) => {
  return { shape: SHAPE, values: new Float32Array(64 * 32), firstToken };
};

Deno.test("groupsOfChannels() are runs of a token's channels, from the first token that is not raw", () => {
  const groups = groupsOfChannels(side(4), 16);
  assertEquals(groups.length, 60 * 2);
  assertEquals(groups[0], { start: 4 * 32, stride: 1, count: 16 });
  assertEquals(groups[1], { start: 4 * 32 + 16, stride: 1, count: 16 });
});

Deno.test("groupsOfTokens() are runs of a channel's tokens, the first without the raw ones", () => {
  const groups = groupsOfTokens(side(4), 32);
  assertEquals(groups.length, 2 * 32);
  assertEquals(groups[1], { start: 4 * 32 + 1, stride: 32, count: 28 });
  assertEquals(groups[33], { start: 32 * 32 + 1, stride: 32, count: 32 });
});

Deno.test("readBackAsymmetric() gives the nearest of 2^bits values from minimum to maximum", () => {
  const values = Float32Array.of(-1, 9, 0, 9, 0.4, 9, 0.6, 9, 2, 9);
  readBackAsymmetric(values, { start: 0, stride: 2, count: 5 }, 2);
  assertEquals([...values], [-1, 9, 0, 9, 0, 9, 1, 9, 2, 9]);
});

Deno.test("readBackAsymmetric() keeps a group of one value as it is", () => {
  const values = Float32Array.of(0.25, 0.25, 0.25);
  readBackAsymmetric(values, { start: 0, stride: 1, count: 3 }, 4);
  assertEquals([...values], [0.25, 0.25, 0.25]);
});

Deno.test("readBackAsymmetric() rounds scale and minimum to f16", () => {
  // 2049 is no f16: the minimum is 2048. The scale 1/3 is 0.333251953125 as f16.
  const values = Float32Array.of(2049, 2050);
  readBackAsymmetric(values, { start: 0, stride: 1, count: 2 }, 2);
  assertEquals(
    [...values],
    [2048, 2050].map((_, i) => {
      const scale = 0.333251953125;
      return Math.fround(2048 + Math.min(3, Math.round((2049 + i - 2048) / scale)) * scale);
    }),
  );
});
