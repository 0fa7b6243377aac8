import source from "../../../shaders/block_unpack/banded.wgsl" with { type: "text" };
import rowSource from "../../../shaders/lib/banded_row.wgsl" with { type: "text" };
import { type BandedLayout, PART_CHANNEL_COUNT, PLANE_WORDS } from "../../codec/banded/layout.ts";
import { BAND_COUNT } from "../../codec/banded/band.ts";
import { UNIT_TOKEN_COUNT } from "../../codec/banded/levels.ts";
import { TOKEN_STEP_MAX } from "../../codec/banded/tables.ts";
import { KEY, type Side, VALUE } from "../../codec/record.ts";
import { divExact } from "../../core/shapes.ts";
import type { AdapterFacts, BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import type { BlockUnpackBound, BlockUnpackBuffers } from "./paper.ts";
import { chooseLanes, type Lanes } from "../text/lanes.ts";
import { BLOCK_CONSTANTS } from "../text/block.ts";
import { ROW_TEXT } from "../text/row.ts";
import { BAND_WORD_TEXT, SECTION_TEXT, turnText } from "../text/banded.ts";
import { BLOCK_UNPACK_VARIANTS } from "./variants.ts";

/** What {@link BlockUnpackBandedKernel} is compiled for. */
export interface BlockUnpackBandedOptions {
  layout: BandedLayout;
  /** Whether channels of K may be dropped; false if left out. */
  hasDropped?: boolean;
}

/** Buffers of one use of {@link BlockUnpackBandedKernel}. */
export interface BlockUnpackBandedBuffers extends BlockUnpackBuffers {
  /** `readerWords` of the layer. */
  tables: GPUBuffer | BufferSlice;
  /** `pointWords`. */
  points: GPUBuffer | BufferSlice;
}

/** Unpacks banded blocks of one sequence to raw tiles in scratch memory. */
export class BlockUnpackBandedKernel {
  /** By side. */
  #kernels: readonly [Kernel, Kernel];
  #sectionCount: number;

  private constructor(
    kernels: readonly [Kernel, Kernel],
    sectionCount: number,
  ) {
    this.#kernels = kernels;
    this.#sectionCount = sectionCount;
  }

  /** Compiles for one record layout. */
  static async create(
    gpu: Gpu,
    options: BlockUnpackBandedOptions,
    facts: AdapterFacts = gpu.facts,
  ): Promise<BlockUnpackBandedKernel> {
    const lanes = chooseLanes("block_unpack/banded", BLOCK_UNPACK_VARIANTS, facts);
    const make = (side: Side) => {
      const label = `block_unpack/banded ${side === KEY ? "K" : "V"}`;
      return Kernel.create(gpu, { label, code: kernelText(options, side, lanes) });
    };
    const kernels = [await make(KEY), await make(VALUE)] as const;
    return new BlockUnpackBandedKernel(kernels, divExact(options.layout.sectionCount, 2));
  }

  /** Binds buffers, once per layer and segment. */
  bind(buffers: BlockUnpackBandedBuffers): BlockUnpackBound {
    const { arena, ...others } = buffers;
    const named = { ...others, arena, arena_chunks: arena };
    const [key, value] = this.#kernels;
    return [key.bind(named), value.bind(named)];
  }

  /** Encodes the first `blockCount` blocks of the segment; those not sealed are left out. */
  encode(pass: GPUComputePassEncoder, bound: BlockUnpackBound, blockCount: number): void {
    for (const side of [KEY, VALUE]) {
      this.#kernels[side].dispatch(pass, bound[side], this.#sectionCount, blockCount);
    }
  }
}

function kernelText(
  options: BlockUnpackBandedOptions,
  side: Side,
  lanes: Lanes,
): string {
  const { layout, hasDropped = false } = options;
  const { channelCount } = layout;
  const unitsPerLane = divExact(PART_CHANNEL_COUNT, lanes.count);
  const keyStepsWord = 2 * channelCount * BAND_COUNT;
  const factorsWord = keyStepsWord + 2 * channelCount;
  const factorCount = TOKEN_STEP_MAX + 1;
  const constants = constantLines({
    ...BLOCK_CONSTANTS,
    D: layout.headSize,
    KV_HEAD_COUNT: layout.kvHeadCount,
    CHANNEL_COUNT: channelCount,
    LANE_COUNT: lanes.count,
    UNITS_PER_LANE: unitsPerLane,
    WINDOW_WORDS: 4 * lanes.count - 4,
    SIDE: side,
    SINK_COUNT: layout.sinkCount,
    SECTION_TABLE_WORD: side * divExact(layout.sectionCount, 2),
    STEPS_WORD: layout.stepsWord,
    SINKS_WORD: layout.sinksWord,
    PLANE_WORDS,
    CUT_ROW: layout.cutRow,
    CHANNEL_STEPS_WORD: keyStepsWord + side * channelCount,
    FACTORS_WORD: factorsWord + side * factorCount,
  });
  const main = expandTemplate([source, rowSource].join("\n"), {
    unit: unitsPerLane,
    token: UNIT_TOKEN_COUNT,
    step: Math.log2(lanes.count),
    has_dropped: hasDropped && side === KEY ? 1 : 0,
  });
  const heads = "alias Heads = vec2<f32>; // what the lanes' text can also exchange\n";
  const parts = [main, constants, heads, BAND_WORD_TEXT, ROW_TEXT, turnText(lanes), lanes.text];
  return [...parts, ...(hasDropped && side === KEY ? [SECTION_TEXT] : [])].join("\n");
}
