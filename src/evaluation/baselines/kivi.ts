import type { BaselineCodec } from "./baseline.ts";
import {
  groupsOfChannels,
  groupsOfTokens,
  readBackAsymmetric,
  SCALE_AND_MINIMUM_BITS,
} from "./groups.ts";

/** Values that share a scale and a minimum. */
const GROUP_SIZE = 32;

/**
 * KIVI, arXiv:2402.02750: keys per channel in groups of 32 tokens, values per token in groups of 32
 * channels, with a 16-bit scale and minimum each. The original keeps the newest 128 tokens raw,
 * much as the window does here.
 *
 * @param bits Bits of a code: 2 or 4 as published.
 */
export function kivi(bits: number): BaselineCodec {
  const bitsInAll = bits + SCALE_AND_MINIMUM_BITS / GROUP_SIZE;
  return {
    description:
      `KIVI: ${bits}-bit codes, scale and minimum for 32 tokens of a K channel and for ` +
      "32 channels of a V token",
    bits: { k: bitsInAll, v: bitsInAll },
    codeBits: { k: bits, v: bits },
    readBackKeys(side) {
      for (const group of groupsOfTokens(side, GROUP_SIZE)) {
        readBackAsymmetric(side.values, group, bits);
      }
    },
    readBackValues(side) {
      for (const group of groupsOfChannels(side, GROUP_SIZE)) {
        readBackAsymmetric(side.values, group, bits);
      }
    },
  };
}
