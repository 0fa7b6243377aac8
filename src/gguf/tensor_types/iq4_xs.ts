import { IQ4_VALUES } from "./iq4_nl.ts";
import { BLOCK, eachBlock, nibble, SUPER_BLOCK, type TensorTypeSpec } from "./spec.ts";

const LAYOUT = { elementCount: SUPER_BLOCK, sizeBytes: 136 } as const;

/** f16 scale, 8 scales of 6 bits around 32 (high 2 bits first), 256 codes as those of IQ4_NL. */
export const IQ4_XS = {
  ggmlId: 23,
  ...LAYOUT,
  expand: (view, values) =>
    eachBlock(values, LAYOUT, (at, first) => {
      const scaleOfScales = view.getFloat16(at, true);
      for (let sub = 0; sub < SUPER_BLOCK / BLOCK; sub++) {
        const high = (view.getUint16(at + 2, true) >> (2 * sub)) & 3;
        const low = (view.getUint32(at + 4, true) >>> (4 * sub)) & 15;
        // Exact in f32: 11 + 6 + 7 bits.
        const scale = scaleOfScales * ((low | high << 4) - 32);
        for (let i = 0; i < BLOCK; i++) {
          const code = nibble(view, at + 8 + 16 * sub, i);
          values[first + BLOCK * sub + i] = scale * IQ4_VALUES[code];
        }
      }
    }),
  shrink: null,
} as const satisfies TensorTypeSpec;
