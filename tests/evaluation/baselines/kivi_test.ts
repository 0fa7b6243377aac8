import { assertEquals } from "@std/assert";
import { kivi } from "../../../src/evaluation/baselines/kivi.ts";

const SHAPE = { kvHeadCount: 1, headSize: 32 };

/** Value of token `t`, channel `c`: small along tokens, large along channels. */
const valueAt = (token: number, channel: number) => channel * 100 + (token % 32 < 16 ? 0 : 3);

function sampleValues(): Float32Array {
  return Float32Array.from({ length: 64 * 32 }, (_, i) => valueAt(Math.floor(i / 32), i % 32));
}

Deno.test("kivi() gives keys a scale and minimum per channel and 32 tokens", () => {
  const values = sampleValues();
  // In token 40 one channel lies between two of the group's four values 500, 501, 502, 503.
  values[40 * 32 + 5] = 501.4;
  kivi(2).readBackKeys({ shape: SHAPE, values, firstToken: 0 });
  const expected = sampleValues();
  expected[40 * 32 + 5] = 501;
  assertEquals(values, expected);
});

Deno.test("kivi() gives values a scale and minimum per token and 32 channels", () => {
  const values = sampleValues();
  kivi(2).readBackValues({ shape: SHAPE, values, firstToken: 0 });
  // Channels 0 to 31 span 0 to 3100 in steps of 3100 / 3, as f16 1033.
  const scale = 1033;
  assertEquals(
    [0, 5, 6, 16, 31].map((channel) => values[channel]),
    [0, 0, scale, 2 * scale, 3 * scale],
  );
  assertEquals(values[20 * 32 + 31], 3 + 3 * scale);
});

Deno.test("kivi() groups the keys behind raw tokens without them", () => {
  const values = sampleValues();
  for (let channel = 0; channel < 32; channel++) values[channel] = -1e4;
  kivi(2).readBackKeys({ shape: SHAPE, values, firstToken: 1 });
  assertEquals(values[7], -1e4);
  assertEquals(values[32 + 7], 700);
  assertEquals(values[17 * 32 + 7], 703);
});

Deno.test("kivi() counts 32 bits of scale and minimum per 32 values", () => {
  assertEquals([kivi(2).bits, kivi(4).bits], [{ k: 3, v: 3 }, { k: 5, v: 5 }]);
});
