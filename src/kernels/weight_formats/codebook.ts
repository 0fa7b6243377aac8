import codes from "../../../shaders/lib/weight_codebook.wgsl" with { type: "text" };
import { joinTexts } from "./spec.ts";

/**
 * The text that expands codes of 4 bits which stand for `values`.
 *
 * @param values Of the 16 codes: integers of 8 bits.
 */
export function codebookText(values: readonly number[]): string {
  const words = new Uint32Array(Int8Array.from(values).buffer);
  const constants = [...words].map((word, index) => `const CODES_${4 * index} = ${word}u;`);
  return joinTexts(...constants, codes);
}
