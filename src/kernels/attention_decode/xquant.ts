import codes from "../../../shaders/lib/xquant_codes.wgsl" with { type: "text" };
import rawTile from "../../../shaders/lib/kv_raw_tile.wgsl" with { type: "text" };
import source from "../../../shaders/attention_decode/xquant.wgsl" with { type: "text" };
import type { XquantLayout } from "../../codec/xquant/layout.ts";
import type { AdapterFacts, BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import { attentionConstants, headGroup, headsText } from "../text/attention.ts";
import { chooseLanes, type Lanes } from "../text/lanes.ts";
import { ROW_TEXT } from "../text/row.ts";
import { teamConditions, teamConstants, type TeamShape, textInRounds } from "../text/teams.ts";
import { xquantConstants } from "../text/xquant.ts";
import {
  type RecordAttentionBuffers,
  type RecordAttentionOptions,
  requireHeads,
  RowAttention,
} from "./row_attention.ts";
import { ATTENTION_DECODE_TEAM_VARIANTS } from "./variants.ts";

/** Buffers of {@link AttentionDecodeXquantKernel}. */
export interface AttentionDecodeXquantBuffers extends RecordAttentionBuffers {
  /** u32 `[1]`: from a record to the codes it is read with, `layout.codeStart` modulo 2^32. */
  codeStart: GPUBuffer | BufferSlice;
}

/** Attention of single rows over XQuant blocks, as partial results per split. */
export class AttentionDecodeXquantKernel extends RowAttention {
  /** Compiles for one shape and record layout. */
  static async create(
    gpu: Gpu,
    options: RecordAttentionOptions<XquantLayout>,
    facts: AdapterFacts = gpu.facts,
  ): Promise<AttentionDecodeXquantKernel> {
    const { shape, splits: { blocksPerSplit } } = options;
    requireHeads(options);
    const label = "attention_decode/xquant";
    const lanes = chooseLanes(label, ATTENTION_DECODE_TEAM_VARIANTS, facts);
    const textOf = (teams: TeamShape) => kernelText(options, lanes, teams);
    const rounds = { lanes, blocksPerSplit, blocksPerRoundMax: 1, textOf };
    const kernel = await Kernel.create(gpu, { label, code: textInRounds(label, facts, rounds) });
    return new AttentionDecodeXquantKernel(kernel, shape);
  }

  /** Binds buffers. */
  bind(buffers: AttentionDecodeXquantBuffers): GPUBindGroup {
    const { q, rows, arena, directory, partials, codeStart } = buffers;
    return this.kernel.bind({ q, rows, arena, partials, directory, code_start: codeStart });
  }
}

function kernelText(
  { shape, splits, layout }: RecordAttentionOptions<XquantLayout>,
  lanes: Lanes,
  teams: TeamShape,
): string {
  const group = headGroup(shape);
  const constants = constantLines({
    ...attentionConstants(shape, splits),
    ...xquantConstants(layout),
    ...teamConstants(lanes, teams),
  });
  const main = expandTemplate(source, { heads: group.vectorCount, ...teamConditions(teams) });
  const parts = [main, constants, headsText(group, shape), codes, rawTile, ROW_TEXT];
  return [...parts, lanes.teamsText(teams.teamCount)].join("\n");
}
