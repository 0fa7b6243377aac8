/**
 * WGSL text of attention over raw tiles, shared by single rows and slices.
 *
 * @module
 */

import fromArena from "../../../shaders/lib/attention_source_arena.wgsl" with { type: "text" };
import fromScratch from "../../../shaders/lib/attention_source_scratch.wgsl" with { type: "text" };
import fromWindow from "../../../shaders/lib/attention_source_window.wgsl" with { type: "text" };
import positionSource from "../../../shaders/lib/attention_position.wgsl" with { type: "text" };
import rawTiles from "../../../shaders/lib/attention_raw_tiles.wgsl" with { type: "text" };
import { rawTileWords } from "../../codec/record.ts";
import { BLOCK_TOKEN_COUNT, WINDOW_TILE_COUNT } from "../../core/shapes.ts";
import type { AdapterFacts } from "../../gpu/gpu.ts";
import { ROW_TEXT } from "./row.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import {
  attentionConstants,
  type AttentionShape,
  type HeadGroup,
  headsText,
  querySize,
  seenText,
  type SplitShape,
} from "./attention.ts";
import type { Lanes } from "./lanes.ts";
import { teamConditions, teamConstants, type TeamShape, textInRounds } from "./teams.ts";

/** Where raw tiles lie: the ring of a slot, the arena of profile `exact`, or a scratch segment. */
export type TileSource = "window" | "arena" | "scratch";

/** What the text is made for. */
export interface RawTilesOptions {
  shape: AttentionShape;
  splits: SplitShape;
  source: TileSource;
  /** Index of the source's first binding: segment, then read lists; the window has none. */
  sourceBinding: number;
  /** Of source `window`: tiles of 64 tokens of a slot; 3 if left out. */
  tileCount?: number;
  /** Of source `scratch`: first tokens of a sequence that the tile of its first block has last. */
  sinkCount?: number;
}

/** Tokens of a lane whose scores are summed side by side. */
const TOKENS_AT_A_TIME_MAX = 4;

/** WGSL text of each source; needs the constants of {@link rawTilesText}. */
export const TILE_SOURCES: Readonly<Record<TileSource, string>> = {
  window: fromWindow,
  arena: fromArena,
  scratch: fromScratch,
};

/** The first block behind those of each source; `scratch` needs `BLOCKS_PER_SEGMENT`. */
export const BLOCK_LIMITS: Readonly<Record<TileSource, string>> = {
  window: "row.position / BLOCK_TOKENS + 1u",
  arena: "row.list_count",
  scratch: "min(row.list_count, segment[0] + BLOCKS_PER_SEGMENT)",
};

/** Constants of a source and of the rows that read it. */
export function tileConstants(
  { shape, sourceBinding, tileCount = WINDOW_TILE_COUNT, sinkCount = 0 }: RawTilesOptions,
): Record<string, number> {
  return {
    SOURCE_BINDING: sourceBinding,
    TILE_WORDS: rawTileWords(shape),
    WINDOW_TILE_COUNT: tileCount,
    SINK_COUNT: sinkCount,
  };
}

/** Text of a source and of `token_position(row, block, token)`. Needs {@link tileConstants}. */
export function tilesText(source: TileSource): string {
  const positions = expandTemplate(positionSource, { has_list: source === "window" ? 0 : 1 });
  return [TILE_SOURCES[source], positions].join("\n");
}

/** Text to append to a kernel that defines its queries' rows; `group` says how many there are. */
export function rawTilesText(
  options: RawTilesOptions,
  { group, lanes, facts }: { group: HeadGroup; lanes: Lanes; facts: AdapterFacts },
): string {
  const blocksPerSplit = options.source === "window" ? 1 : options.splits.blocksPerSplit;
  const textOf = (teams: TeamShape) => textOfTeams(options, { group, lanes, teams });
  return textInRounds("attention over raw tiles", facts, { lanes, blocksPerSplit, textOf });
}

function textOfTeams(
  options: RawTilesOptions,
  { group, lanes, teams }: { group: HeadGroup; lanes: Lanes; teams: TeamShape },
): string {
  const { shape, splits, source } = options;
  const tokensAtATime = Math.min(TOKENS_AT_A_TIME_MAX, BLOCK_TOKEN_COUNT / lanes.count);
  // Lanes that share a token: a power of two that divides its groups of 8 channels.
  const columnCount = querySize(shape) / 8;
  const span = Math.min(lanes.count, columnCount & -columnCount);
  const constants = constantLines({
    ...attentionConstants(shape, splits),
    ...tileConstants(options),
    ...teamConstants(lanes, teams),
    SPAN: span,
    TOKENS_AT_A_TIME: tokensAtATime,
  });
  const body = expandTemplate(rawTiles, {
    queries: group.vectorCount,
    token: tokensAtATime,
    word: 4,
    channel: 8,
    turn: 8 / (lanes.count / span),
    fold: Math.log2(lanes.count / span),
    ...teamConditions(teams),
    has_latents: shape.hasLatents ? 1 : 0,
  });
  return [
    body,
    constants,
    headsText(group, shape),
    seenText(group),
    tilesText(source),
    ROW_TEXT,
    lanes.teamsText(teams.teamCount),
  ]
    .join("\n");
}
