import codes from "../../../shaders/lib/weight_q6k.wgsl" with { type: "text" };
import side from "../../../shaders/lib/weight_side_q6k.wgsl" with { type: "text" };
import {
  BYTES,
  formatText,
  GROUP_ROW_COUNT,
  HALVES_WORD_COUNT,
  putHalf,
  type UnitTarget,
  type WeightFormatSpec,
} from "./spec.ts";
import { SUB_BLOCK_COUNT, writeNibbles } from "./super_block.ts";

/** Codes of 6 bits around 32; scales of 8 bits for 16 columns, one of f16 for 256. */
export const q6k = {
  unitColumnCount: 256,
  vectorsPerBlock: 1,
  sideWordCount: HALVES_WORD_COUNT + (4 + 16) * 32,
  writers: { Q6_K: writeQ6_K },
  text: formatText(side, BYTES, codes),
  hasHalfScales: true,
} as const satisfies WeightFormatSpec;

function writeQ6_K(view: DataView, at: number, target: UnitTarget): void {
  const { side, sideStart, row } = target;
  putHalf(target, view.getUint16(at + 208, true));
  const scaleStart = sideStart + HALVES_WORD_COUNT;
  for (let pair = 0; pair < 4; pair++) {
    side[scaleStart + pair * GROUP_ROW_COUNT + row] = view.getUint32(at + 192 + 4 * pair, true);
  }
  writeNibbles(target, (sub, index) => {
    const byte = at + (sub >> 2) * 64 + (sub & 1) * 32 + 4 * index;
    return (view.getUint32(byte, true) >>> ((sub & 2) * 2)) & 0x0f0f0f0f;
  });
  const highStart = scaleStart + 4 * GROUP_ROW_COUNT;
  for (let sub = 0; sub < SUB_BLOCK_COUNT; sub++) {
    for (let half = 0; half < 2; half++) {
      let word = 0;
      for (let i = 0; i < 4; i++) {
        const byte = at + 128 + (sub >> 2) * 32 + half * 16 + 4 * i;
        word |= ((view.getUint32(byte, true) >>> (2 * (sub & 3))) & 0x03030303) << (2 * i);
      }
      side[highStart + (2 * sub + half) * GROUP_ROW_COUNT + row] = word ^ 0xaaaaaaaa;
    }
  }
}
