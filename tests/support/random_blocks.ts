/** Blocks of tensor types without a quantiser, and the worst there are. */

import { quantise } from "./quantise.ts";
import { elementsSizeBytes, type TensorType } from "../../src/gguf/tensor_types.ts";
import { seededNormals, seededRandom } from "./numeric.ts";

/** Where the f16 of a block lie, of types whose other bytes may be anything. */
const HALVES_AT: Partial<Record<TensorType, { blockBytes: number; offsets: number[] }>> = {
  Q5_0: { blockBytes: 22, offsets: [0] },
  Q5_1: { blockBytes: 24, offsets: [0, 2] },
  Q4_K: { blockBytes: 144, offsets: [0, 2] },
  Q5_K: { blockBytes: 176, offsets: [0, 2] },
  Q6_K: { blockBytes: 210, offsets: [208] },
};

/** Scales beside random ones: none, the least, a subnormal, negative, large (16 times is f16). */
const WORST_HALVES = [0, 2 ** -24, 2 ** -15, -0.25, 4000, -4000];

/**
 * Seeded bytes of `elementCount` elements: of values around 1, or of any bits with finite scales
 * that are now and then the worst there are.
 */
export function randomBlocks(
  type: TensorType,
  elementCount: number,
  seed: number,
): Uint8Array<ArrayBuffer> {
  const halves = HALVES_AT[type];
  if (halves === undefined) {
    return quantise(type as Parameters<typeof quantise>[0], seededNormals(elementCount, seed));
  }
  const random = seededRandom(seed);
  const bytes = new Uint8Array(elementsSizeBytes(type, elementCount));
  bytes.forEach((_, i) => bytes[i] = Math.floor(random() * 256));
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += halves.blockBytes) {
    for (const offset of halves.offsets) {
      const isWorst = random() < 0.3;
      const worst = WORST_HALVES[Math.floor(random() * WORST_HALVES.length)];
      view.setFloat16(at + offset, isWorst ? worst : (random() - 0.5) / 64, true);
    }
  }
  return bytes;
}
