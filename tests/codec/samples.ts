/** Seeded K and V for codec tests: like real ones, and as unlike as they come. */

import { type HeadShape, rawTileFrom } from "../../src/codec/raw_tile.ts";
import { seededNormals, seededRandom } from "../support/numeric.ts";

/** What kind of values a sample tile holds. */
export type SampleKind =
  | "gaussian"
  | "constant"
  | "zero"
  | "outlier"
  | "subnormal"
  | "extreme"
  | "mixed scales";

/** All kinds. */
export const SAMPLE_KINDS: readonly SampleKind[] = [
  "gaussian",
  "constant",
  "zero",
  "outlier",
  "subnormal",
  "extreme",
  "mixed scales",
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
  }
}

/** A raw tile whose K and V are of one kind, from different seeds. */
export function sampleTile(kind: SampleKind, shape: HeadShape, seed: number): Uint32Array {
  const channelCount = shape.kvHeadCount * shape.headSize;
  const keys = sampleValues(kind, channelCount, seed);
  return rawTileFrom(shape, keys, sampleValues(kind, channelCount, seed + 100));
}
