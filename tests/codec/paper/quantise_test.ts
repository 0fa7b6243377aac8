import { assert, assertEquals, assertThrows } from "@std/assert";
import { f16ToNumber } from "../../../src/codec/f16.ts";
import { codeBits } from "../../../src/codec/paper/layout.ts";
import { KEY, VALUE } from "../../../src/codec/record.ts";
import { dequantise, quantisePaper, tokenScale } from "../../../src/codec/paper/quantise.ts";
import { quantum } from "../../../src/codec/quantised.ts";
import { rawTileFrom, rawTileValues } from "../../../src/codec/raw_tile.ts";
import { seededRandom } from "../../support/numeric.ts";
import { SAMPLE_KINDS, sampleTile } from "../../support/codec_samples.ts";

const SHAPE = { kvHeadCount: 2, headSize: 32 };
const CHANNEL_COUNT = 64;

for (const kind of SAMPLE_KINDS) {
  for (const [keyRel, valueRel] of [[0.1, 0.2], [0.5, 1 / 254], [1 / 3, 0.03]]) {
    Deno.test(`quantisePaper() is within half a step at ${keyRel}, ${valueRel} (${kind})`, () => {
      const tile = sampleTile(kind, SHAPE, 7);
      const block = quantisePaper(SHAPE, tile, { keyRel, valueRel });
      for (const side of [KEY, VALUE]) {
        const exact = rawTileValues(SHAPE, tile, side);
        const { codes, params } = block.sides[side];
        for (let i = 0; i < exact.length; i++) {
          const token = Math.floor(i / CHANNEL_COUNT);
          const code = codes[(i % CHANNEL_COUNT) * 64 + token];
          const scale = f16ToNumber(params[token] & 0xffff);
          const error = Math.abs(dequantise(code, params[token]) - exact[i]);
          // Half a step, and the f32 rounding of a product of up to 32000.
          assert(error <= scale * (0.5 + 1 / 128), `error ${error} at scale ${scale}`);
        }
      }
    });
  }
}

Deno.test("tokenScale() gives a normal f16 within 2^-11 of the step, and its reciprocal", () => {
  const random = seededRandom(3);
  for (let i = 0; i < 20_000; i++) {
    const low = f16ToNumber(Math.floor(random() * 0x7c00) | 0x8000);
    const high = f16ToNumber(Math.floor(random() * 0x7c00));
    const rel = 1 / 254 + random() * (0.5 - 1 / 254);
    const { scaleBits, reciprocal } = tokenScale(low, high, rel);
    const scale = f16ToNumber(scaleBits);
    const floor = Math.max(2 ** -14, Math.max(-low, high) / 32000);
    const step = Math.max((high - low) * rel, floor);
    assert(Math.abs(scale / step - 1) <= 2 ** -11 + 2 ** -22, `scale ${scale} of step ${step}`);
    assertEquals(reciprocal, Math.fround(reciprocal));
    assert(reciprocal * scale <= 1 && reciprocal * scale > 1 - 2 ** -22, "just below 1 / scale");
    assert(Math.abs(quantum(low, reciprocal)) <= 32767, "the zero fits 16 bits");
  }
});

Deno.test("codeBits() holds every code of adversarial tokens", () => {
  const random = seededRandom(5);
  for (let i = 0; i < 50_000; i++) {
    const rel = random() < 0.5 ? 1 / (2 + Math.floor(random() * 253)) : 1 / (2 + random() * 252);
    const low = f16ToNumber(Math.floor(random() * 0xfc00) % 0xfbff);
    const high = low + Math.abs(f16ToNumber(Math.floor(random() * 0x7bff)));
    if (!Number.isFinite(low) || high > 65504 || f16ToNumber(0) > high) continue;
    const { reciprocal } = tokenScale(low, high, rel);
    const largest = quantum(high, reciprocal) - quantum(low, reciprocal);
    assert(largest < 2 ** codeBits(rel), `code ${largest} at rel ${rel}, ${low} to ${high}`);
  }
});

Deno.test("codeBits() is 4 at 0.1, 3 at 0.2, 8 at 1/254 and 2 at 0.5", () => {
  assertEquals([0.1, 0.2, 1 / 254, 0.5].map(codeBits), [4, 3, 8, 2]);
});

Deno.test("quantum() rounds ties to even", () => {
  assertEquals([0.5, 1.5, 2.5, -0.5, -1.5, -2.5].map((x) => quantum(x, 1)), [0, 2, 2, 0, -2, -2]);
});

Deno.test("quantisePaper() refuses infinity and NaN, but not in absent tokens", () => {
  for (const bad of [Infinity, -Infinity, NaN]) {
    const keys = new Float32Array(64 * CHANNEL_COUNT);
    keys[40 * CHANNEL_COUNT + 3] = bad;
    for (const tile of [rawTileFrom(SHAPE, keys, []), rawTileFrom(SHAPE, [], keys)]) {
      const options = { keyRel: 0.1, valueRel: 0.2 };
      assertThrows(() => quantisePaper(SHAPE, tile, options), RangeError, "infinity or NaN");
      const { sides } = quantisePaper(SHAPE, tile, { ...options, tokenCount: 40 });
      assertEquals([...sides[KEY].params.subarray(40)], new Array(24).fill(0));
    }
  }
});

Deno.test("quantisePaper() refuses token counts outside 1 to 64", () => {
  const tile = sampleTile("gaussian", SHAPE, 1);
  for (const tokenCount of [0, 65, 1.5, NaN]) {
    const options = { keyRel: 0.1, valueRel: 0.2, tokenCount };
    assertThrows(() => quantisePaper(SHAPE, tile, options), RangeError, "tokenCount");
  }
});
