import { eachBlock, SUPER_BLOCK } from "./spec.ts";

const SUB_BLOCK = 32;

/** Scales and minima of 6 bits. `at` is the first of their 12 bytes. */
function scaleAndMinimum(view: DataView, at: number, sub: number): [number, number] {
  const byte = (index: number) => view.getUint8(at + index);
  if (sub < 4) return [byte(sub) & 63, byte(sub + 4) & 63];
  const low = byte(sub + 4);
  const scale = (low & 15) | ((byte(sub - 4) >> 6) << 4);
  const minimum = (low >> 4) | ((byte(sub) >> 6) << 4);
  return [scale, minimum];
}

/**
 * Expands super-blocks that begin with two f16 and 12 bytes of scales and minima.
 *
 * @param codeAt Code `i` of the super-block at byte `at`.
 */
export function expandScaled(
  view: DataView,
  values: Float32Array,
  { sizeBytes, codeAt }: { sizeBytes: number; codeAt: (at: number, i: number) => number },
): void {
  eachBlock(values, { elementCount: SUPER_BLOCK, sizeBytes }, (at, first) => {
    const scaleOfScales = view.getFloat16(at, true);
    const scaleOfMinima = view.getFloat16(at + 2, true);
    for (let sub = 0; sub < SUPER_BLOCK / SUB_BLOCK; sub++) {
      const [scale, minimum] = scaleAndMinimum(view, at + 4, sub);
      for (let i = sub * SUB_BLOCK; i < (sub + 1) * SUB_BLOCK; i++) {
        // Products are exact in f32 (17 and 22 bits), so one rounding happens: at the difference.
        values[first + i] = scaleOfScales * scale * codeAt(at, i) - scaleOfMinima * minimum;
      }
    }
  });
}

/** 4 bits of element `i` of 256: of each 64, the first half lies in the low nibbles. */
export function pairedNibble(view: DataView, at: number, i: number): number {
  const byte = view.getUint8(at + (i >> 6) * SUB_BLOCK + i % SUB_BLOCK);
  return (byte >> (i & SUB_BLOCK ? 4 : 0)) & 15;
}
