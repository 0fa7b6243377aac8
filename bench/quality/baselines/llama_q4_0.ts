import type { BaselineCodec, BaselineSide } from "./baseline.ts";
import { groupsOfChannels, roundF16 } from "./groups.ts";

/** Values that share a scale. */
const GROUP_SIZE = 32;

/**
 * llama.cpp's q4_0 for K and V: 32 channels of a token share an f16 scale; codes 0 to 15 stand for
 * -8 to 7, where -8 is the value of largest magnitude.
 */
export const LLAMA_Q4_0: BaselineCodec = {
  description: "llama.cpp q4_0: 4-bit codes, an f16 scale for 32 channels of a token",
  bits: { k: 4.5, v: 4.5 },
  codeBits: { k: 4, v: 4 },
  readBackKeys: readBack,
  readBackValues: readBack,
};

function readBack(side: BaselineSide): void {
  const { values } = side;
  for (const { start, count } of groupsOfChannels(side, GROUP_SIZE)) {
    const group = values.subarray(start, start + count);
    const largest = group.reduce(
      (most, value) => Math.abs(value) > Math.abs(most) ? value : most,
      0,
    );
    const exactScale = Math.fround(largest / -8);
    const inverse = exactScale === 0 ? 0 : Math.fround(1 / exactScale);
    const scale = roundF16(exactScale);
    for (let i = 0; i < count; i++) {
      const code = Math.min(15, Math.trunc(Math.fround(Math.fround(group[i] * inverse) + 8.5)));
      group[i] = (code - 8) * scale;
    }
  }
}
