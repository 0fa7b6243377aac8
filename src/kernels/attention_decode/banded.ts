import source from "../../../shaders/attention_decode/banded.wgsl" with { type: "text" };
import weightsSource from "../../../shaders/lib/banded_weights.wgsl" with { type: "text" };
import rowSource from "../../../shaders/lib/banded_row.wgsl" with { type: "text" };
import { BAND_COUNT } from "../../codec/banded/band.ts";
import { type BandedLayout, PART_CHANNEL_COUNT, PLANE_WORDS } from "../../codec/banded/layout.ts";
import { UNIT_TOKEN_COUNT } from "../../codec/banded/levels.ts";
import {
  KEY_EXPONENT,
  STEPS_PER_OCTAVE,
  TOKEN_STEP_ZERO,
  VALUE_EXPONENT,
} from "../../codec/banded/tables.ts";
import { divExact } from "../../core/shapes.ts";
import type { AdapterFacts, BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { READING_ROW_TEXT } from "../text/row.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import { attentionConstants, headGroup, headsText } from "../text/attention.ts";
import type { Lanes } from "../text/lanes.ts";
import { BAND_WORD_TEXT, SECTION_TEXT, turnText } from "../text/banded.ts";
import { teamConditions, teamConstants, type TeamShape } from "../text/teams.ts";
import {
  type RecordAttentionBuffers,
  type RecordAttentionOptions,
  recordKernel,
  RowAttention,
} from "./row_attention.ts";

/** What {@link AttentionDecodeBandedKernel} is compiled for. */
export interface AttentionDecodeBandedOptions extends RecordAttentionOptions<BandedLayout> {
  /** Whether channels of K may be dropped; false if left out. */
  hasDropped?: boolean;
  /** Whether it leaves the softmax of the scores of single blocks, m and l; false if left out. */
  isScoresOnly?: boolean;
}

/** Buffers of one use of {@link AttentionDecodeBandedKernel}. */
export interface AttentionDecodeBandedBuffers extends RecordAttentionBuffers {
  /** `readerWords` of the layer. */
  tables: GPUBuffer | BufferSlice;
  /** `pointWords`. */
  points: GPUBuffer | BufferSlice;
}

/** Attention of single rows over banded blocks, as partial results per split. */
export class AttentionDecodeBandedKernel extends RowAttention {
  /** Compiles for one shape and record layout. */
  static async create(
    gpu: Gpu,
    options: AttentionDecodeBandedOptions,
    facts: AdapterFacts = gpu.facts,
  ): Promise<AttentionDecodeBandedKernel> {
    const kernel = await recordKernel(gpu, options, {
      ...{ facts, label: "attention_decode/banded" },
      textOf: (lanes, teams) => kernelText(options, lanes, teams),
    });
    return new AttentionDecodeBandedKernel(kernel, options.shape);
  }

  /** Binds buffers. */
  bind(buffers: AttentionDecodeBandedBuffers): GPUBindGroup {
    const { q, rows, arena, directory, partials, tables, points } = buffers;
    const records = { arena, arena_chunks: arena, tables, points };
    return this.kernel.bind({ q, rows, partials, directory, ...records });
  }
}

function kernelText(
  options: AttentionDecodeBandedOptions,
  lanes: Lanes,
  teams: TeamShape,
): string {
  const { shape, splits, layout, hasDropped = false, isScoresOnly = false } = options;
  const { channelCount, sinkCount } = layout;
  const group = headGroup(shape);
  const unitsPerLane = divExact(PART_CHANNEL_COUNT, lanes.count);
  const partsAtATime = layout.partCount % 2 === 0 ? 2 : 1;
  const keyStepsWord = 2 * channelCount * BAND_COUNT;
  const constants = constantLines({
    ...attentionConstants(shape, splits),
    ...teamConstants(lanes, teams),
    UNITS_PER_LANE: unitsPerLane,
    PARTS_AT_A_TIME: partsAtATime,
    WINDOW_WORDS: 4 * lanes.count - 4,
    SINK_COUNT: sinkCount,
    SINK_ROOM: Math.max(1, sinkCount),
    STEPS_WORD: layout.stepsWord,
    SINKS_WORD: layout.sinksWord,
    PLANE_WORDS,
    CUT_ROW: layout.cutRow,
    KEY_STEPS_WORD: keyStepsWord,
    VALUE_STEPS_WORD: keyStepsWord + channelCount,
  });
  const octaves = `const KEY_OCTAVES: f32 = ${KEY_EXPONENT / STEPS_PER_OCTAVE};
const VALUE_OCTAVES: f32 = ${VALUE_EXPONENT / STEPS_PER_OCTAVE};
const TOKEN_STEP_ZERO: i32 = ${TOKEN_STEP_ZERO};
`;
  const weights = isScoresOnly ? [weightsSource] : [];
  const main = expandTemplate([source, rowSource, ...weights].join("\n"), {
    heads: group.vectorCount,
    part: partsAtATime,
    unit: unitsPerLane,
    token: UNIT_TOKEN_COUNT,
    step: Math.log2(lanes.count),
    has_dropped: hasDropped ? 1 : 0,
    has_part_groups: layout.partCount > partsAtATime ? 1 : 0,
    ...teamConditions(teams),
    is_scores_only: isScoresOnly ? 1 : 0,
  });
  const parts = [main, constants, octaves, headsText(group, shape), BAND_WORD_TEXT];
  parts.push(READING_ROW_TEXT);
  if (hasDropped) parts.push(SECTION_TEXT);
  const { teamCount } = teams;
  return [...parts, turnText(lanes, teamCount), lanes.teamsText(teamCount)].join("\n");
}
