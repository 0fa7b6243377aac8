/** Seeded K and V for codec tests: like real ones, and as unlike as they come. */

import { f16ToNumber } from "../../src/codec/f16.ts";
import type { PaperLayout } from "../../src/codec/paper/layout.ts";
import { KEY, VALUE } from "../../src/codec/record.ts";
import type { QuantisedBlock } from "../../src/codec/quantised.ts";
import { type HeadShape, rawTileFrom } from "../../src/codec/raw_tile.ts";
import { seededNormals, seededRandom } from "./numeric.ts";

/** What kind of values a sample tile holds. */
export type SampleKind =
  | "gaussian"
  | "constant"
  | "zero"
  | "outlier"
  | "subnormal"
  | "extreme"
  | "mixed scales"
  | "any bits";

/** All kinds. */
export const SAMPLE_KINDS: readonly SampleKind[] = [
  "gaussian",
  "constant",
  "zero",
  "outlier",
  "subnormal",
  "extreme",
  "mixed scales",
  "any bits",
];

/** f32 `[64][channels]` of one side. */
export function sampleValues(kind: SampleKind, channelCount: number, seed: number): Float32Array {
  const count = 64 * channelCount;
  const values = seededNormals(count, seed);
  const random = seededRandom(seed + 1);
  switch (kind) {
    case "gaussian": {
      // As in real keys: a few channels are large and stay on one side of zero.
      return values.map((value, i) => (i % channelCount) % 13 === 5 ? value + 9 : value);
    }
    case "constant":
      return values.map((_, i) => 1 + Math.floor(i / channelCount));
    case "zero":
      return values.fill(0).map((value, i) => i % 3 === 0 ? -0 : value);
    case "outlier": {
      const one = Math.floor(random() * count);
      return values.map((value, i) => i === one ? 300 : value * 0.01);
    }
    case "subnormal":
      return values.map((value) => value * 2 ** -15);
    case "extreme":
      return values.map((value, i) => [65504, -65504, value * 9000, 0, 2 ** -24][i % 5]);
    case "mixed scales":
      return values.map((value, i) => value * 2 ** (Math.floor(i / channelCount) % 38 - 24));
    case "any bits": {
      // Every finite f16 is as likely as the others, up to a largest magnitude for each token.
      const limits = Array.from({ length: 64 }, () => 1 + random() * 0x7bff);
      return values.map((_, i) => {
        const magnitude = f16ToNumber(Math.floor(random() * limits[Math.floor(i / channelCount)]));
        return random() < 0.5 ? -magnitude : magnitude;
      });
    }
  }
}

/** A raw tile whose K and V are of one kind, from different seeds. */
export function sampleTile(kind: SampleKind, shape: HeadShape, seed: number): Uint32Array {
  const channelCount = shape.kvHeadCount * shape.headSize;
  const keys = sampleValues(kind, channelCount, seed);
  return rawTileFrom(shape, keys, sampleValues(kind, channelCount, seed + 100));
}

/** A block of random codes whose packs together have every width the layout allows, from 0. */
export function everyWidthBlock(
  layout: PaperLayout,
  tokenCount: number,
  seed: number,
): QuantisedBlock {
  const random = seededRandom(seed);
  const channelCount = layout.kvHeadCount * layout.headSize;
  const [key, value] = [KEY, VALUE].map((side) => {
    const codes = new Uint8Array(channelCount * 64);
    const params = new Uint32Array(64);
    for (let i = 0; i < codes.length; i++) {
      const width = Math.floor(i / 64) % (layout.bits(side) + 1);
      const minimum = 2 ** layout.bits(side) - 2 ** width;
      if (i % 64 < tokenCount) codes[i] = minimum + Math.floor(random() * 2 ** width);
    }
    for (let i = 0; i < tokenCount; i++) params[i] = 0x3c00 + i + 0x10000 * ((i * 997) & 0xffff);
    return { codes, params };
  });
  return { tokenCount, sides: [key, value] };
}
