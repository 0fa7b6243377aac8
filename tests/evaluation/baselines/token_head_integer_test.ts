import { assertEquals } from "@std/assert";
import { tokenHeadInteger } from "../../../src/evaluation/baselines/token_head_integer.ts";

Deno.test("tokenHeadInteger() gives each token and head a scale and minimum", () => {
  const shape = { kvHeadCount: 2, headSize: 32 };
  const values = new Float32Array(64 * 64);
  // Token 1: head 0 spans 0 to 15, a step of 1; head 1 spans -30 to 0, a step of 2.
  values.set([15, 3.4, 3.6], 64);
  values.set([-30, -3.4, -4.9], 96);
  tokenHeadInteger(4, shape).readBackKeys({ shape, values, firstToken: 0 });
  assertEquals([...values.subarray(64, 68)], [15, 3, 4, 0]);
  assertEquals([...values.subarray(96, 100)], [-30, -4, -4, 0]);
});

Deno.test("tokenHeadInteger() counts 32 bits of scale and minimum per head", () => {
  const at = (bits: number, headSize: number) =>
    tokenHeadInteger(bits, { kvHeadCount: 1, headSize }).bits.k;
  assertEquals([at(4, 64), at(3, 64), at(3, 128)], [4.5, 3.5, 3.25]);
});
