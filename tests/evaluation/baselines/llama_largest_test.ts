import { assertEquals } from "@std/assert";
import { llamaLargest } from "../../../src/evaluation/baselines/llama_largest.ts";

const SHAPE = { kvHeadCount: 1, headSize: 64 };

Deno.test("llamaLargest(4) gives the value of largest magnitude the code -8, whatever its sign", () => {
  const values = new Float32Array(64 * 64);
  // Scale -8 / -8 = 1 in the first 32 channels, 4 / -8 = -0.5 in the next.
  values.set([-8, 7.4, 7.6, 8, 0.5, -0.5, -7.5], 0);
  values.set([4, -3.5, -4, 0.25, 0.2], 32);
  llamaLargest(4).readBackKeys({ shape: SHAPE, values, firstToken: 0 });
  // Codes are floor(x / scale + 8.5) - 8, at most 7.
  assertEquals([...values.subarray(0, 7)], [-8, 7, 7, 7, 1, 0, -7]);
  assertEquals([...values.subarray(32, 37)].map((value) => value + 0), [4, -3.5, -3.5, 0, 0]);
});

Deno.test("llamaLargest(4) leaves raw tokens alone and zeros as they are", () => {
  const values = new Float32Array(64 * 64).fill(0.3, 0, 128);
  llamaLargest(4).readBackValues({ shape: SHAPE, values, firstToken: 2 });
  assertEquals(values.subarray(0, 128).every((value) => value === Math.fround(0.3)), true);
  assertEquals(values.subarray(128).every((value) => value === 0), true);
});

Deno.test("llamaLargest(4) takes 18 bytes for 32 values", () => {
  assertEquals(llamaLargest(4).bits, { k: 18 * 8 / 32, v: 18 * 8 / 32 });
});

Deno.test("llamaLargest(5) gives the value of largest magnitude the code -16, others up to 15", () => {
  const values = new Float32Array(64 * 64);
  // Scale 16 / -16 = -1: codes are floor(-x + 16.5) - 16, at most 15.
  values.set([16, -15.4, -15.6, 0.4, 0.6, -0.6], 0);
  llamaLargest(5).readBackValues({ shape: SHAPE, values, firstToken: 0 });
  assertEquals([...values.subarray(0, 6)].map((value) => value + 0), [16, -15, -15, 0, 1, -1]);
});

Deno.test("llamaLargest(5) takes 22 bytes for 32 values", () => {
  assertEquals(llamaLargest(5).bits, { k: 22 * 8 / 32, v: 22 * 8 / 32 });
});
