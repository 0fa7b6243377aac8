import codes from "../../../shaders/lib/int8_codes.wgsl" with { type: "text" };
import source from "../../../shaders/attention_decode/int8.wgsl" with { type: "text" };
import { type Int8Layout, SCALE_WORDS } from "../../codec/int8/layout.ts";
import type { AdapterFacts, Gpu } from "../../gpu/gpu.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import { attentionConstants, headGroup, headsText } from "../text/attention.ts";
import type { Lanes } from "../text/lanes.ts";
import { READING_ROW_TEXT } from "../text/row.ts";
import { teamConditions, teamConstants, type TeamShape } from "../text/teams.ts";
import {
  type RecordAttentionBuffers,
  type RecordAttentionOptions,
  recordKernel,
  RowAttention,
} from "./row_attention.ts";

/** Attention of single rows over int8 blocks, as partial results per split. */
export class AttentionDecodeInt8Kernel extends RowAttention {
  /** Compiles for one shape and record layout. */
  static async create(
    gpu: Gpu,
    options: RecordAttentionOptions<Int8Layout>,
    facts: AdapterFacts = gpu.facts,
  ): Promise<AttentionDecodeInt8Kernel> {
    const kernel = await recordKernel(gpu, options, {
      ...{ facts, label: "attention_decode/int8", blocksPerRoundMax: 1 },
      textOf: (lanes, teams) => kernelText(options, lanes, teams),
    });
    return new AttentionDecodeInt8Kernel(kernel, options.shape);
  }

  /** Binds buffers. */
  bind(buffers: RecordAttentionBuffers): GPUBindGroup {
    const { q, rows, arena, directory, partials } = buffers;
    return this.kernel.bind({ q, rows, arena, partials, directory });
  }
}

function kernelText(
  { shape, splits, layout }: RecordAttentionOptions<Int8Layout>,
  lanes: Lanes,
  teams: TeamShape,
): string {
  const group = headGroup(shape);
  const constants = constantLines({
    ...attentionConstants(shape, splits),
    ...teamConstants(lanes, teams),
    SCALE_WORDS,
    SECTION_WORDS: layout.sectionWords,
  });
  const main = expandTemplate(source, { heads: group.vectorCount, ...teamConditions(teams) });
  const parts = [main, constants, headsText(group, shape), codes, READING_ROW_TEXT];
  return [...parts, lanes.teamsText(teams.teamCount)].join("\n");
}
