import type { BaselineCodec, BaselineSide } from "./baseline.ts";
import { groupsOfChannels, roundF16 } from "./groups.ts";

/** Values that share a scale. */
const GROUP_SIZE = 32;
const SCALE_BITS = 16;

/**
 * llama.cpp's q4_0 and q5_0 for K and V (`quantize_row_q4_0_ref`, `quantize_row_q5_0_ref`): 32
 * channels of a token share an f16 scale; the value of largest magnitude gets the lowest code.
 *
 * @param bits Bits of a code: 4 or 5.
 */
export function llamaLargest(bits: 4 | 5): BaselineCodec {
  const bitsInAll = bits + SCALE_BITS / GROUP_SIZE;
  const readBack = (side: BaselineSide) => readBackLargest(side, 2 ** (bits - 1));
  return {
    description: `llama.cpp q${bits}_0: ${bits}-bit codes, an f16 scale for 32 channels of a token`,
    bits: { k: bitsInAll, v: bitsInAll },
    codeBits: { k: bits, v: bits },
    readBackKeys: readBack,
    readBackValues: readBack,
  };
}

/** Codes `-half … half - 1` times a scale that gives the largest value `-half`. */
function readBackLargest(side: BaselineSide, half: number): void {
  const { values } = side;
  for (const { start, count } of groupsOfChannels(side, GROUP_SIZE)) {
    const group = values.subarray(start, start + count);
    const largest = group.reduce(
      (most, value) => Math.abs(value) > Math.abs(most) ? value : most,
      0,
    );
    const exactScale = Math.fround(largest / -half);
    const inverse = exactScale === 0 ? 0 : Math.fround(1 / exactScale);
    const scale = roundF16(exactScale);
    for (let i = 0; i < count; i++) {
      const shifted = Math.fround(Math.fround(group[i] * inverse) + half + 0.5);
      group[i] = (Math.min(2 * half - 1, Math.trunc(shifted)) - half) * scale;
    }
  }
}
