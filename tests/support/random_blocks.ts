/** Blocks of tensor types without a quantiser, and the worst there are. */

import { quantise } from "./quantise.ts";
import { elementsSizeBytes, type TensorType } from "../../src/gguf/tensor_types.ts";
import { seededNormals, seededRandom } from "./numeric.ts";

/** Where scales lie in a block, of types whose other bytes may be anything. */
interface ScalePlaces {
  blockBytes: number;
  /** Of f16. */
  halves: readonly number[];
  /** Of exponents of 8 bits. */
  exponents?: readonly number[];
}

const SCALES_AT: Partial<Record<TensorType, ScalePlaces>> = {
  Q5_0: { blockBytes: 22, halves: [0] },
  Q5_1: { blockBytes: 24, halves: [0, 2] },
  Q4_K: { blockBytes: 144, halves: [0, 2] },
  Q5_K: { blockBytes: 176, halves: [0, 2] },
  Q6_K: { blockBytes: 210, halves: [208] },
  Q2_K: { blockBytes: 84, halves: [80, 82] },
  Q3_K: { blockBytes: 110, halves: [108] },
  IQ4_NL: { blockBytes: 18, halves: [0] },
  IQ4_XS: { blockBytes: 136, halves: [0] },
  MXFP4: { blockBytes: 17, halves: [], exponents: [0] },
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
  const places = SCALES_AT[type];
  if (places === undefined) {
    return quantise(type as Parameters<typeof quantise>[0], seededNormals(elementCount, seed));
  }
  const bytes = anyBlocks(type, elementCount, seed);
  const random = seededRandom(~seed);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += places.blockBytes) {
    for (const offset of places.halves) {
      const isWorst = random() < 0.3;
      const worst = WORST_HALVES[Math.floor(random() * WORST_HALVES.length)];
      view.setFloat16(at + offset, isWorst ? worst : (random() - 0.5) / 64, true);
    }
    for (const offset of places.exponents ?? []) {
      view.setUint8(at + offset, 117 + Math.floor(random() * 10));
    }
  }
  return bytes;
}

/**
 * Seeded bytes of `elementCount` elements, whatever they mean: every bit at random, so that scales
 * are now and then infinite or no number.
 */
export function anyBlocks(
  type: TensorType,
  elementCount: number,
  seed: number,
): Uint8Array<ArrayBuffer> {
  const random = seededRandom(seed);
  const bytes = new Uint8Array(elementsSizeBytes(type, elementCount));
  return bytes.map(() => Math.floor(random() * 256));
}
