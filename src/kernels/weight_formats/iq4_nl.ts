import sideHalves from "../../../shaders/lib/weight_side_halves.wgsl" with { type: "text" };
import { IQ4_VALUES } from "../../gguf/tensor_types/iq4_nl.ts";
import { codebookText } from "./codebook.ts";
import {
  HALVES_WORD_COUNT,
  joinTexts,
  putHalf,
  type WeightFormatSpec,
  writeVectors,
} from "./spec.ts";

/** Codes of 4 bits for unevenly spaced values; scale for 32 columns. */
export const iq4_nl = {
  unitColumnCount: 32,
  vectorsPerBlock: 1,
  sideWordCount: HALVES_WORD_COUNT,
  writers: {
    IQ4_NL: (view, at, target) => {
      putHalf(target, view.getUint16(at, true));
      writeVectors(view, at + 2, target, 1);
    },
  },
  text: joinTexts(sideHalves, codebookText(IQ4_VALUES)),
} as const satisfies WeightFormatSpec;
