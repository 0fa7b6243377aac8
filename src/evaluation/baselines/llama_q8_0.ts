import type { BaselineCodec, BaselineSide } from "./baseline.ts";
import { groupsOfChannels, roundF16 } from "./groups.ts";

/** Values that share a scale. */
const GROUP_SIZE = 32;

/** llama.cpp's q8_0 for K and V: 32 channels of a token share an f16 scale, codes -127 to 127. */
export const LLAMA_Q8_0: BaselineCodec = {
  description: "llama.cpp q8_0: 8-bit codes, an f16 scale for 32 channels of a token",
  bits: { k: 8.5, v: 8.5 },
  codeBits: { k: 8, v: 8 },
  readBackKeys: readBack,
  readBackValues: readBack,
};

function readBack(side: BaselineSide): void {
  const { values } = side;
  for (const { start, count } of groupsOfChannels(side, GROUP_SIZE)) {
    const group = values.subarray(start, start + count);
    const largest = group.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const exactScale = Math.fround(largest / 127);
    const inverse = exactScale === 0 ? 0 : Math.fround(1 / exactScale);
    const scale = roundF16(exactScale);
    for (let i = 0; i < count; i++) {
      group[i] = roundAwayFromZero(Math.fround(group[i] * inverse)) * scale;
    }
  }
}

/** C's `roundf`: ties go away from zero. */
function roundAwayFromZero(value: number): number {
  return Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
}
