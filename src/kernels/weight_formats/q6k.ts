import codes from "../../../shaders/lib/weight_q6k.wgsl" with { type: "text" };
import side from "../../../shaders/lib/weight_side_q6k.wgsl" with { type: "text" };
import {
  BYTES,
  fieldsText,
  fieldWords,
  formatText,
  GROUP_ROW_COUNT,
  HALVES_WORD_COUNT,
  putHalf,
  type UnitTarget,
  type WeightFormatSpec,
} from "./spec.ts";
import { eachSubBlock } from "./super_block.ts";

/** Codes of 6 bits around 32; scales of 8 bits for 16 columns, one of f16 for 256. */
export const q6k = {
  unitColumnCount: 256,
  vectorsPerBlock: 1,
  sideWordCount: HALVES_WORD_COUNT + (4 + 16) * 32,
  writers: { Q6_K: writeQ6_K },
  text: formatText(side, BYTES, fieldsText(6), codes),
  hasHalfScales: true,
  areCodesInPlace: true,
  isSideStreamed: true,
  hasBytes: true,
} as const satisfies WeightFormatSpec;

const sixes = new Uint8Array(32);
const fields = new Uint32Array(6);

function writeQ6_K(view: DataView, at: number, target: UnitTarget): void {
  const { side, sideStart, row } = target;
  putHalf(target, view.getUint16(at + 208, true));
  const scaleStart = sideStart + HALVES_WORD_COUNT;
  for (let pair = 0; pair < 4; pair++) {
    side[scaleStart + pair * GROUP_ROW_COUNT + row] = view.getUint32(at + 192 + 4 * pair, true);
  }
  const highStart = scaleStart + 4 * GROUP_ROW_COUNT;
  eachSubBlock(target, (block, sub) => {
    // Of 128 columns, a byte has the low 4 bits of 2 and another the high 2 bits of 4.
    const nibbles = at + (sub >> 2) * 64 + (sub & 1) * 32;
    const pairs = at + 128 + (sub >> 2) * 32;
    for (let i = 0; i < 32; i++) {
      const low = (view.getUint8(nibbles + i) >> ((sub & 2) * 2)) & 15;
      sixes[i] = low | ((view.getUint8(pairs + i) >> (2 * (sub & 3))) & 3) << 4;
    }
    fieldWords(sixes, 6, fields);
    block.words.set(fields.subarray(0, 4), 4 * block.vector);
    side[highStart + 2 * sub * GROUP_ROW_COUNT + row] = fields[4];
    side[highStart + (2 * sub + 1) * GROUP_ROW_COUNT + row] = fields[5];
  });
}
