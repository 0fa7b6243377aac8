/**
 * How many lanes a workgroup of attention, merge or unpacking has, and how they exchange values.
 *
 * @module
 */

import bySubgroup from "../../../shaders/lib/attention_lanes_subgroup.wgsl" with { type: "text" };
import byWorkgroup from "../../../shaders/lib/attention_lanes_workgroup.wgsl" with { type: "text" };
import teamsBySubgroup from "../../../shaders/lib/attention_lanes_teams_subgroup.wgsl" with {
  type: "text",
};
import teamsByWorkgroup from "../../../shaders/lib/attention_lanes_teams_workgroup.wgsl" with {
  type: "text",
};
import oneTeam from "../../../shaders/lib/attention_one_team.wgsl" with { type: "text" };
import teamReductions from "../../../shaders/lib/attention_teams.wgsl" with { type: "text" };
import laneReductions from "../../../shaders/lib/lane_reductions.wgsl" with { type: "text" };
import type { AdapterFacts } from "../../gpu/gpu.ts";
import { constantsPart, expandTemplate } from "../../gpu/wgsl_template.ts";
import { chooseVariant, type Variant } from "../variant.ts";

/** Lanes of a workgroup and the text that lets them exchange values. */
export interface Lanes {
  /** 8, 16 or 32. */
  count: number;
  /** Declares `lane`, the entry point, the shuffles and reductions. */
  text: string;
  /** Whether all lanes are at the same place always, without barriers, and no compiler minds. */
  isLockstep: boolean;
  /** Most teams of so many lanes in a workgroup; 1 where there are none. */
  teamCountMax: number;
  /**
   * The same text for so many teams; declares `team`, `TEAM_COUNT`, `block_of_team`, `has_block`,
   * `sum_teams` and `max_teams` too.
   */
  teamsText(teamCount: number): string;
}

/** A way of exchanging values: a row of an operation's table. */
export interface LanesVariant extends Variant {
  /** Lanes of a workgroup on an adapter that it supports. */
  laneCount(facts: AdapterFacts): number;
  /** Declares `lane`, the entry point and the shuffles. */
  readonly exchange: string;
  /** The same, and `team`, where a workgroup may be several; null where it may not. */
  readonly teamExchange: string | null;
  readonly isLockstep: boolean;
  /** Most teams of a workgroup; {@link TEAM_COUNT_MAX} if left out. */
  readonly teamCountMax?: number;
}

/** Teams that go through blocks at the same time; more leave fewer registers to each. */
const TEAM_COUNT_MAX = 8;

const LANE_COUNT_MAX = 32;
const LANE_COUNT_MIN = 8;

/** A workgroup of 8 leaves most lanes of a GPU idle; one of 32 with barriers does not. */
const GPU_LANE_COUNT_MIN = 16;

/** A workgroup is a subgroup, or the first lanes of one. */
export const SUBGROUP: LanesVariant = {
  name: "subgroup",
  supports: ({ subgroupLanes, isFallback }) =>
    subgroupLanes >= (isFallback ? LANE_COUNT_MIN : GPU_LANE_COUNT_MIN),
  tuned: ["software Vulkan"],
  laneCount: ({ subgroupLanes }) => subgroupLanes,
  exchange: bySubgroup,
  teamExchange: null,
  isLockstep: false,
};

/** The same on a CPU, whose lanes are never apart: without the barriers that keep them together. */
export const LOCKSTEP: LanesVariant = {
  ...SUBGROUP,
  name: "subgroup in lockstep",
  supports: (facts, shape) =>
    SUBGROUP.supports(facts, shape) && facts.isFallback && !facts.checksUniformity,
  isLockstep: true,
};

/** Lanes exchange through workgroup memory. */
export const WORKGROUP_OF_32: LanesVariant = {
  name: "workgroup of 32",
  supports: () => true,
  tuned: [],
  laneCount: () => LANE_COUNT_MAX,
  exchange: byWorkgroup,
  teamExchange: null,
  isLockstep: false,
};

/** The same on a CPU, where barriers between lanes are what costs. */
export const WORKGROUP_OF_8: LanesVariant = {
  ...WORKGROUP_OF_32,
  name: "workgroup of 8",
  supports: ({ isFallback }) => isFallback,
  laneCount: () => LANE_COUNT_MIN,
};

/** A workgroup is several teams, each a subgroup or a part of one, of 8 lanes at least. */
export const TEAMS_BY_SUBGROUP: LanesVariant = {
  ...SUBGROUP,
  name: "teams by subgroup",
  supports: ({ subgroupLanes, hasTeams, isFallback }) =>
    !isFallback && hasTeams && subgroupLanes >= LANE_COUNT_MIN,
  tuned: [],
  teamExchange: teamsBySubgroup,
};

/** Two of them: less workgroup memory and fewer barriers, for more turns of each. */
export const TWO_TEAMS_BY_SUBGROUP: LanesVariant = {
  ...TEAMS_BY_SUBGROUP,
  name: "two teams by subgroup",
  teamCountMax: 2,
};

/** The same where lanes exchange through workgroup memory. */
export const TEAMS_BY_WORKGROUP: LanesVariant = {
  ...WORKGROUP_OF_32,
  name: "teams of 32",
  supports: ({ isFallback }) => !isFallback,
  teamExchange: teamsByWorkgroup,
};

/** Lanes of the first variant of an operation's table that supports an adapter. */
export function chooseLanes(
  operation: string,
  variants: readonly LanesVariant[],
  facts: AdapterFacts,
): Lanes {
  return lanesOf(chooseVariant(operation, variants, { facts, shape: undefined }), facts);
}

/** Lanes of a variant that supports an adapter. */
export function lanesOf(variant: LanesVariant, facts: AdapterFacts): Lanes {
  const count = variant.laneCount(facts);
  const step = Math.log2(count);
  const reductions = expandTemplate(laneReductions, { step, octet_step: 3, octets_step: step - 3 });
  const { exchange, teamExchange, isLockstep, teamCountMax = TEAM_COUNT_MAX } = variant;
  return {
    count,
    text: [exchange, reductions].join("\n"),
    isLockstep,
    teamCountMax: teamExchange === null
      ? 1
      : Math.min(teamCountMax, Math.floor(facts.workgroupSizeMax / count)),
    teamsText: (teamCount) => {
      const [own, ofTeams] = teamCount > 1 ? [teamExchange, teamReductions] : [exchange, oneTeam];
      return [own, reductions, ofTeams, constantsPart({ TEAM_COUNT: teamCount })].join("\n");
    },
  };
}
