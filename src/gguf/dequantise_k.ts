/**
 * Expands the types with super-blocks of 256 elements ("K types") to f32, by ggml's block layouts.
 *
 * @module
 */

const SUPER_BLOCK = 256;
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

/** Expands super-blocks of `sizeBytes`, whose code `i` is what `codeAt` gives. */
function expandScaled(
  view: DataView,
  values: Float32Array,
  sizeBytes: number,
  codeAt: (at: number, i: number) => number,
): void {
  let at = 0;
  for (let first = 0; first < values.length; first += SUPER_BLOCK, at += sizeBytes) {
    const scaleOfScales = view.getFloat16(at, true);
    const scaleOfMinima = view.getFloat16(at + 2, true);
    for (let sub = 0; sub < SUPER_BLOCK / SUB_BLOCK; sub++) {
      const [scale, minimum] = scaleAndMinimum(view, at + 4, sub);
      for (let i = sub * SUB_BLOCK; i < (sub + 1) * SUB_BLOCK; i++) {
        // Products are exact in f32 (17 and 22 bits), so one rounding happens: at the difference.
        values[first + i] = scaleOfScales * scale * codeAt(at, i) - scaleOfMinima * minimum;
      }
    }
  }
}

/** 4 bits of element `i`: of each 64, the first half lies in the low nibbles. */
function nibble(view: DataView, at: number, i: number): number {
  const byte = view.getUint8(at + (i >> 6) * SUB_BLOCK + i % SUB_BLOCK);
  return (byte >> (i & SUB_BLOCK ? 4 : 0)) & 15;
}

/** Q4_K: 2 f16, 12 bytes of scales, 128 bytes of codes. */
export function expandQ4_K(view: DataView, values: Float32Array): void {
  expandScaled(view, values, 144, (at, i) => nibble(view, at + 16, i));
}

/** Q5_K: 2 f16, 12 bytes of scales, 32 bytes of high bits, 128 bytes of codes. */
export function expandQ5_K(view: DataView, values: Float32Array): void {
  expandScaled(view, values, 176, (at, i) => {
    const high = (view.getUint8(at + 16 + i % SUB_BLOCK) >> (i >> 5)) & 1;
    return nibble(view, at + 48, i) | (high << 4);
  });
}

/** Q6_K: 128 bytes of low bits, 64 of high bits, 16 scales, f16. */
export function expandQ6_K(view: DataView, values: Float32Array): void {
  let at = 0;
  for (let first = 0; first < values.length; first += SUPER_BLOCK, at += 210) {
    const scaleOfScales = view.getFloat16(at + 208, true);
    for (let i = 0; i < SUPER_BLOCK; i++) {
      const half = i >> 7;
      const quarter = (i >> 5) & 3;
      const lowByte = view.getUint8(at + half * 64 + (quarter & 1) * 32 + i % 32);
      const low = (lowByte >> (quarter < 2 ? 0 : 4)) & 15;
      const high = (view.getUint8(at + 128 + half * 32 + i % 32) >> (2 * quarter)) & 3;
      const scale = view.getInt8(at + 192 + (i >> 4));
      // Exact in f32: 11 + 7 + 6 bits.
      values[first + i] = scaleOfScales * scale * ((low | (high << 4)) - 32);
    }
  }
}
