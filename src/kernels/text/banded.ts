/**
 * WGSL text shared by the kernels that choose bands and those that read them.
 *
 * @module
 */

import bandChoice from "../../../shaders/lib/kv_band_choice.wgsl" with { type: "text" };
import bandWord from "../../../shaders/lib/band_word.wgsl" with { type: "text" };
import section from "../../../shaders/lib/banded_section.wgsl" with { type: "text" };
import turnLockstep from "../../../shaders/lib/banded_turn_lockstep.wgsl" with { type: "text" };
import turnTeams from "../../../shaders/lib/banded_turn_teams.wgsl" with { type: "text" };
import turnUniform from "../../../shaders/lib/banded_turn_uniform.wgsl" with { type: "text" };
import packRange from "../../../shaders/lib/kv_pack_range.wgsl" with { type: "text" };
import { GENERATED_LINE } from "../../gpu/wgsl_origin.ts";
import { POINT_COUNT, POINT_STARTS } from "../../codec/banded/points.ts";
import { STRETCH, UNIT_TOKEN_COUNT } from "../../codec/banded/levels.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import type { Lanes } from "./lanes.ts";

/** Chooses bands of codes in scratch. Declares `PACK_SIZE`; needs `codes`, `bands`, `points`. */
export const BAND_CHOICE_TEXT: string = [
  packRange,
  bandChoice,
  bandWord,
  constantsPart({ PACK_SIZE: UNIT_TOKEN_COUNT, POINT_COUNT }),
  `${GENERATED_LINE}const POINT_STARTS = array<u32, ${POINT_STARTS.length}>(` +
  `${POINT_STARTS.map((start) => `${start}u`).join(", ")});\n`,
].join("\n");

/** Sections of which channels may be dropped. Needs `PLANE_WORDS`. */
export const SECTION_TEXT: string = section;

/** What a band's word holds. */
export const BAND_WORD_TEXT: string = bandWord;

/** How lanes, of one team or of several, agree on the next turn at a row. */
export function turnText({ isLockstep }: Pick<Lanes, "isLockstep">, teamCount = 1): string {
  if (teamCount > 1) return turnTeams;
  return isLockstep ? turnLockstep : turnUniform;
}

/** By levels, what a number of eight digits is stretched by; 0 for none. */
export const STRETCH_TEXT: string =
  `${GENERATED_LINE}var<private> STRETCH: array<u32, ${STRETCH.length}> =
  array<u32, ${STRETCH.length}>(${STRETCH.map((each) => `${each}u`).join(", ")});\n`;
