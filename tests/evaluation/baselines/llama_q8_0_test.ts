import { assertEquals } from "@std/assert";
import { LLAMA_Q8_0 } from "../../../src/evaluation/baselines/llama_q8_0.ts";

const SHAPE = { kvHeadCount: 1, headSize: 32 };

Deno.test("LLAMA_Q8_0 reads back codes of -127 to 127 times an f16 scale, ties away from zero", () => {
  const values = new Float32Array(64 * 32);
  // The scale is 127 / 127 = 1.
  values.set([127, 2.5, -2.5, 0.49, -126.6], 0);
  // 31.75 / 127 = 0.25.
  values.set([-31.75, 0.1, 0.2], 32);
  LLAMA_Q8_0.readBackKeys({ shape: SHAPE, values, firstToken: 0 });
  assertEquals([...values.subarray(0, 5)], [127, 3, -3, 0, -127]);
  assertEquals([...values.subarray(32, 35)], [-31.75, 0, 0.25]);
  assertEquals(values.subarray(64).every((value) => value === 0), true);
});

Deno.test("LLAMA_Q8_0 chooses codes by the scale in f32 and reads back with the one in f16", () => {
  const values = new Float32Array(64 * 32);
  values.set([1, 0.5], 0);
  LLAMA_Q8_0.readBackValues({ shape: SHAPE, values, firstToken: 0 });
  // 1/127 = 0.00787401… is 0.007873535… (0x2008) as f16; 0.5 is 63.5 steps: 64.
  const scale = 0.007873535156250;
  assertEquals([...values.subarray(0, 2)], [Math.fround(127 * scale), Math.fround(64 * scale)]);
});

Deno.test("LLAMA_Q8_0 takes 34 bytes for 32 values", () => {
  assertEquals(LLAMA_Q8_0.bits, { k: 34 * 8 / 32, v: 34 * 8 / 32 });
});
