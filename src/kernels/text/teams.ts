/**
 * How the blocks of a split are shared among the teams of a workgroup, whatever they are coded in,
 * and in which rounds it goes through them.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { AdapterFacts } from "../../gpu/gpu.ts";
import { chooseRounds, type RoundShape } from "./attention.ts";
import type { Lanes } from "./lanes.ts";

/** Teams of a workgroup, and the rounds of its split: of a block for each team if there are any. */
export interface TeamShape extends RoundShape {
  /** 1 where one team takes one block after the other. */
  teamCount: number;
}

/** What teams are chosen for. */
export interface TeamOptions {
  lanes: Lanes;
  /** Blocks of a split. */
  blocksPerSplit: number;
  /** Most blocks of a round of one team; `blocksPerSplit` if left out. */
  blocksPerRoundMax?: number;
  /** Text of a kernel for a number of teams and the size of its rounds. */
  textOf: (teams: TeamShape) => string;
}

/**
 * Text of a kernel with the largest rounds that fit an adapter's workgroup memory.
 *
 * @param label What the kernel is called in errors.
 * @throws {RangeError} if not even one block fits.
 */
export function textInRounds(
  label: string,
  facts: AdapterFacts,
  { lanes, blocksPerSplit, blocksPerRoundMax = blocksPerSplit, textOf }: TeamOptions,
): string {
  const inTeams = (rounds: RoundShape) => textOf({ ...rounds, teamCount: rounds.blocksPerRound });
  const inTurn = (rounds: RoundShape) => textOf({ ...rounds, teamCount: 1 });
  if (lanes.teamCountMax > 1) {
    const sizes = { blocksPerSplit, blocksPerRoundMax: lanes.teamCountMax, textOf: inTeams };
    const rounds = chooseRounds(label, facts, sizes);
    if (rounds.blocksPerRound > 1) return inTeams(rounds);
  }
  // One team, by choice or as there is no room for more, has rounds of several blocks.
  return inTurn(chooseRounds(label, facts, { blocksPerSplit, blocksPerRoundMax, textOf: inTurn }));
}

/** Constants that every kernel whose blocks go to teams shares; {@link Lanes} has `TEAM_COUNT`. */
export function teamConstants(
  { count }: Lanes,
  { blocksPerRound }: TeamShape,
): Record<string, number> {
  return {
    LANE_COUNT: count,
    BLOCKS_PER_ROUND: blocksPerRound,
    ROUND_TOKENS: blocksPerRound * BLOCK_TOKEN_COUNT,
  };
}

/** Conditions of templates: whether there are several rounds, and several teams. */
export function teamConditions({ isSplit, teamCount }: TeamShape): Record<string, number> {
  return { has_rounds: isSplit ? 1 : 0, has_teams: teamCount > 1 ? 1 : 0 };
}
