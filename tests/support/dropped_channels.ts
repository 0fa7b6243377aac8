/** Channels of K that are dropped from made-up blocks, as a method would. */

import { DROPPED_CODE } from "../../src/codec/banded/dropped.ts";
import type { QuantisedBlock } from "../../src/codec/quantised.ts";
import type { HeadShape } from "../../src/codec/raw_tile.ts";
import { KEY } from "../../src/codec/record.ts";
import { seededRandom } from "./numeric.ts";

/**
 * Bit `c` of word `p`: whether channel `32 p + c` stays. By kind: some two of five go, all of the
 * first 32 go, one goes, none goes.
 */
export function keptChannels({ kvHeadCount, headSize }: HeadShape, kind: number): Uint32Array {
  const random = seededRandom(kind + 1);
  return Uint32Array.from({ length: kvHeadCount * headSize / 32 }, (_, part) => {
    if (kind % 4 === 1 && part === 0) return 0;
    if (kind % 4 === 2) return ~(1 << (part % 32));
    if (kind % 4 === 3) return 0xffffffff;
    return Array.from({ length: 32 }, (_, channel) => random() < 0.6 ? 1 << channel : 0)
      .reduce((word, bit) => word | bit, 0);
  });
}

/** Drops the channels of K that do not stay. */
export function dropChannels({ sides, tokenCount }: QuantisedBlock, kept: Uint32Array): void {
  for (let channel = 0; channel < 32 * kept.length; channel++) {
    if (((kept[channel >> 5] >>> (channel & 31)) & 1) === 1) continue;
    sides[KEY].codes.fill(DROPPED_CODE, channel * 64, channel * 64 + tokenCount);
  }
}
