import codes from "../../../shaders/lib/xquant_codes.wgsl" with { type: "text" };
import rawTile from "../../../shaders/lib/kv_raw_tile.wgsl" with { type: "text" };
import source from "../../../shaders/attention_decode/xquant.wgsl" with { type: "text" };
import type { XquantLayout } from "../../codec/xquant/layout.ts";
import type { AdapterFacts, BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import { attentionConstants, headGroup, headsText } from "../text/attention.ts";
import type { Lanes } from "../text/lanes.ts";
import { ROW_TEXT } from "../text/row.ts";
import { teamConditions, teamConstants, type TeamShape } from "../text/teams.ts";
import { xquantConstants } from "../text/xquant.ts";
import {
  type RecordAttentionBuffers,
  type RecordAttentionOptions,
  recordKernel,
  RowAttention,
} from "./row_attention.ts";

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
    const kernel = await recordKernel(gpu, options, {
      ...{ facts, label: "attention_decode/xquant", blocksPerRoundMax: 1 },
      textOf: (lanes, teams) => kernelText(options, lanes, teams),
    });
    return new AttentionDecodeXquantKernel(kernel, options.shape);
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
