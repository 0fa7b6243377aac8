/**
 * Settings of XQuant across layers. FORMAT.md section 10; arXiv:2510.11236.
 *
 * @module
 */

import { ProfileTable } from "../profile_table.ts";
import { numberChoice, wordChoice } from "../settings.ts";

/** Codes of one or two bits, which odd layers read of the layer before. */
export interface XquantProfile {
  /** `xquant`. */
  name: "xquant";
  /** Bits of a code: of both sides, or of keys and values. */
  bits: "2" | "1" | "2-1";
  /** Which of the published shrinks of end levels: 0 for none, 1, or 2 for the larger one. */
  shrink: number;
}

/** Bits of a code. */
export type CodeBits = 1 | 2;

/** By bits and setting: the share of a group's range that its end levels are moved in by. */
export const SHRINKS: Readonly<Record<CodeBits, readonly number[]>> = {
  1: [0, 1 / 6, 2 / 6],
  2: [0, 0.045, 0.09],
};

/** Bits of the codes of a profile, K and V. */
export function codeBits({ bits }: XquantProfile): { keyBits: CodeBits; valueBits: CodeBits } {
  return { keyBits: bits === "1" ? 1 : 2, valueBits: bits === "2" ? 2 : 1 };
}

/** Profile `xquant`. */
export const XQUANT_PROFILES: ProfileTable<XquantProfile> = new ProfileTable<XquantProfile>({
  bits: wordChoice({
    flag: "bits",
    placeholder: "N",
    help: "bits of a code, 2-1 for keys of 2 and values of 1",
    values: ["2", "1", "2-1"],
  }),
  shrink: numberChoice({
    flag: "shrink",
    placeholder: "N",
    help: "which of the published shrinks of end levels, 0 for none",
    values: [0, 1, 2],
  }),
}, [{ name: "xquant", bits: "2", shrink: 1 }]);
