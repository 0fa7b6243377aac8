import source from "../../../shaders/attention_decode/paper.wgsl" with { type: "text" };
import type { PaperLayout } from "../../codec/paper/layout.ts";
import { KEY, VALUE } from "../../codec/record.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { AdapterFacts, Gpu } from "../../gpu/gpu.ts";
import { READING_ROW_TEXT } from "../text/row.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import { attentionConstants, headGroup, headsText } from "../text/attention.ts";
import type { Lanes } from "../text/lanes.ts";
import {
  fitsChunk,
  PACK_TEXT,
  rowText,
  sideText,
  type WindowShape,
  windowShape,
  windowsText,
} from "../text/pack_windows.ts";
import { teamConditions, teamConstants, type TeamShape } from "../text/teams.ts";
import {
  type RecordAttentionBuffers,
  type RecordAttentionOptions,
  recordKernel,
  RowAttention,
} from "./row_attention.ts";

/** Which text is generated for a layout and the lanes. */
interface TextPlan {
  keys: WindowShape;
  values: WindowShape;
  /** Whether 8 lanes load the packs of 8 channels together. */
  keysChunked: boolean;
  valuesChunked: boolean;
  /** Channels of a lane whose V packs come from one chunk. */
  valueChunkVectors: number;
  usesChunks: boolean;
}

/** Pack rows whose scores are summed side by side, so that q is loaded once for all. */
const UNITS_AT_A_TIME_MAX = 2;

const CHUNK_BINDING =
  "@group(0) @binding(5) var<storage, read> arena_chunks: array<vec4<u32>>; // arena once more\n";

/** Attention of single rows over packed blocks, as partial results per split. arXiv:2512.24449. */
export class AttentionDecodePaperKernel extends RowAttention {
  /** Compiles for one shape and record layout. */
  static async create(
    gpu: Gpu,
    options: RecordAttentionOptions<PaperLayout>,
    facts: AdapterFacts = gpu.facts,
  ): Promise<AttentionDecodePaperKernel> {
    const kernel = await recordKernel(gpu, options, {
      ...{ facts, label: "attention_decode/paper" },
      textOf: (lanes, teams) => kernelText(options, lanes, teams),
    });
    return new AttentionDecodePaperKernel(kernel, options.shape);
  }

  /** Binds buffers. */
  bind(buffers: RecordAttentionBuffers): GPUBindGroup {
    const { q, rows, arena, directory, partials } = buffers;
    const chunks = this.kernel.has("arena_chunks") ? { arena_chunks: arena } : {};
    return this.kernel.bind({ q, rows, arena, partials, directory, ...chunks });
  }
}

function kernelText(
  { shape, splits, layout }: RecordAttentionOptions<PaperLayout>,
  lanes: Lanes,
  teams: TeamShape,
): string {
  const plan = planText(layout, lanes);
  const { keys, values } = plan;
  const group = headGroup(shape);
  const unitsPerBlock = BLOCK_TOKEN_COUNT / keys.unitTokens;
  const unitsAtATime = Math.min(
    UNITS_AT_A_TIME_MAX / keys.rowsPerUnit,
    unitsPerBlock / (lanes.count / 8),
  );
  const constants = constantLines({
    ...attentionConstants(shape, splits),
    ...teamConstants(lanes, teams),
    PACK_SIZE: layout.packSize,
    UNIT_TOKENS: keys.unitTokens,
    UNITS_PER_BLOCK: unitsPerBlock,
    UNITS_AT_A_TIME: unitsAtATime,
    PARTS_PER_SECTION: layout.rowCount * layout.planeWords,
    KEY_WIDTH_BITS: layout.widthBits(KEY),
    KEY_PAYLOAD_WORD: layout.payloadWord(KEY),
    KEY_PARAMS_WORD: layout.paramsWord(KEY),
    VALUE_WIDTH_BITS: layout.widthBits(VALUE),
    VALUE_PAYLOAD_WORD: layout.payloadWord(VALUE),
    VALUE_PARAMS_WORD: layout.paramsWord(VALUE),
    VALUE_WORD_TOKENS: values.wordTokens,
    VALUE_CHUNK_VECTORS: plan.valueChunkVectors,
  });
  const main = expandTemplate(source, {
    heads: group.vectorCount,
    unit: unitsAtATime,
    eight: keys.unitTokens / 8,
    row: keys.rowsPerUnit,
    channel: 8,
    word: values.wordsPerEight,
    token: values.wordTokens,
    chunk: 32 / lanes.count / plan.valueChunkVectors,
    member: plan.valueChunkVectors,
    key_bit: layout.widthBits(KEY),
    value_bit: layout.widthBits(VALUE),
    bit: Math.max(layout.widthBits(KEY), layout.widthBits(VALUE)),
    ...teamConditions(teams),
  });
  return [
    main,
    plan.usesChunks ? CHUNK_BINDING : "",
    constants,
    headsText(group, shape),
    PACK_TEXT,
    rowText(keys),
    sideText(keys, layout, KEY),
    windowsText(keys, plan.keysChunked),
    sideText(values, layout, VALUE),
    windowsText(values, plan.valuesChunked),
    READING_ROW_TEXT,
    lanes.teamsText(teams.teamCount),
  ].join("\n");
}

/** Decides how the payload is loaded: a load costs about as much as 40 operations on 8 lanes. */
function planText(layout: PaperLayout, lanes: Lanes): TextPlan {
  const keys = windowShape("key", layout, KEY);
  const values = windowShape("value", layout, VALUE);
  const sharesChunks = lanes.count === 8 && fitsChunk(values, 16);
  const keysChunked = keys.touchedWords > 2 && fitsChunk(keys, 8);
  const valuesChunked = sharesChunks || (values.touchedWords > 2 && fitsChunk(values, 8));
  return {
    keys,
    values,
    keysChunked,
    valuesChunked,
    valueChunkVectors: sharesChunks ? 2 : 1,
    usesChunks: keysChunked || valuesChunked,
  };
}
