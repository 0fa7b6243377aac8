import type { HeadShape } from "../../codec/raw_tile.ts";
import type { BaselineCodec, BaselineSide } from "./baseline.ts";
import { groupsOfChannels, readBackAsymmetric, SCALE_AND_MINIMUM_BITS } from "./groups.ts";

/**
 * Plain integers: all channels of a token and head share a 16-bit scale and minimum, K and V alike.
 *
 * @param bits Bits of a code.
 */
export function tokenHeadInteger(bits: number, { headSize }: HeadShape): BaselineCodec {
  const bitsInAll = bits + SCALE_AND_MINIMUM_BITS / headSize;
  const readBack = (side: BaselineSide) => {
    for (const group of groupsOfChannels(side, headSize)) {
      readBackAsymmetric(side.values, group, bits);
    }
  };
  return {
    description: `${bits}-bit codes, scale and minimum for a token and head`,
    bits: { k: bitsInAll, v: bitsInAll },
    codeBits: { k: bits, v: bits },
    readBackKeys: readBack,
    readBackValues: readBack,
  };
}
