import codes from "../../../shaders/lib/weight_q5.wgsl" with { type: "text" };
import side from "../../../shaders/lib/weight_side_q5k.wgsl" with { type: "text" };
import {
  centerText,
  fieldsText,
  fieldWords,
  formatText,
  putSideWord,
  type WeightFormatSpec,
} from "./spec.ts";
import { eachSubBlock, kScalesText, writeScales } from "./super_block.ts";

const SIDE_WORD_COUNT = (4 + 8) * 32;

const fives = new Uint8Array(32);
const fields = new Uint32Array(5);

/** Codes of 5 bits; scales and minima of 6 bits for 32 columns, two of f16 for 256. */
export const q5k = {
  unitColumnCount: 256,
  vectorsPerBlock: 1,
  sideWordCount: SIDE_WORD_COUNT,
  writers: {
    Q5_K: (view, at, target) => {
      writeScales(view, at, target);
      eachSubBlock(target, (block, sub) => {
        // Bit `sub` of byte `i` is the highest; of 64 columns, the first 32 are in low halves.
        const nibbles = at + 48 + (sub >> 1) * 32;
        for (let i = 0; i < 32; i++) {
          const low = (view.getUint8(nibbles + i) >> (4 * (sub & 1))) & 15;
          fives[i] = low | ((view.getUint8(at + 16 + i) >> sub) & 1) << 4;
        }
        fieldWords(fives, 5, fields);
        block.words.set(fields.subarray(0, 4), 4 * block.vector);
        putSideWord(target, 4 + sub, fields[4]);
      });
    },
  },
  text: formatText(side, kScalesText(SIDE_WORD_COUNT), centerText(0), fieldsText(5), codes),
  areCodesInPlace: true,
  hasBytes: true,
  hasOutputScales: true,
} as const satisfies WeightFormatSpec;
