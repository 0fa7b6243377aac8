import source from "../../../shaders/block_unpack/paper.wgsl" with { type: "text" };
import type { PaperLayout } from "../../codec/paper/layout.ts";
import { KEY, type Side, VALUE } from "../../codec/record.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import {
  type AdapterFacts,
  BINDING_ALIGNMENT_BYTES,
  type BufferSlice,
  type Gpu,
} from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantLines, expandTemplate } from "../../gpu/wgsl_template.ts";
import { chooseLanes, type Lanes } from "../text/lanes.ts";
import { BLOCK_CONSTANTS } from "../text/block.ts";
import { ROW_TEXT } from "../text/row.ts";
import { PACK_TEXT, rowText, sideText, windowShape, windowsText } from "../text/pack_windows.ts";
import { BLOCK_UNPACK_VARIANTS } from "./variants.ts";

/** Buffers of one use of {@link BlockUnpackPaperKernel}. */
export interface BlockUnpackBuffers {
  /** u32 `[rows][ROW_WORDS]`; only that of the segment is looked at. */
  rows: GPUBuffer | BufferSlice;
  /** Arena of the layer's group: records. */
  arena: GPUBuffer | BufferSlice;
  /** u32 `[entries][ENTRY_WORDS]`: read lists of records in the arena. */
  directory: GPUBuffer | BufferSlice;
  /** u32 `[2]`: first block of the segment, and its row; one entry of {@link createSegments}. */
  segment: GPUBuffer | BufferSlice;
  /** Raw tiles `[blocks of the segment][tileWords]`. */
  tiles: GPUBuffer | BufferSlice;
}

/** Bound buffers of a {@link BlockUnpackPaperKernel}: one group for each side. */
export type BlockUnpackBound = readonly [GPUBindGroup, GPUBindGroup];

/** Unpacks sealed blocks of one sequence to raw tiles in scratch memory. */
export class BlockUnpackPaperKernel {
  /** By side. */
  #kernels: readonly [Kernel, Kernel];
  #kvHeadCount: number;

  private constructor(
    kernels: readonly [Kernel, Kernel],
    kvHeadCount: number,
  ) {
    this.#kernels = kernels;
    this.#kvHeadCount = kvHeadCount;
  }

  /** Compiles for one record layout. */
  static async create(
    gpu: Gpu,
    options: { layout: PaperLayout },
    facts: AdapterFacts = gpu.facts,
  ): Promise<BlockUnpackPaperKernel> {
    const lanes = chooseLanes("block_unpack/paper", BLOCK_UNPACK_VARIANTS, facts);
    const make = (side: Side) => {
      const label = `block_unpack/paper ${side === KEY ? "K" : "V"}`;
      return Kernel.create(gpu, { label, code: kernelText(options, side, lanes) });
    };
    const kernels = [await make(KEY), await make(VALUE)] as const;
    return new BlockUnpackPaperKernel(kernels, options.layout.kvHeadCount);
  }

  /** Binds buffers, once per layer and segment. */
  bind(buffers: BlockUnpackBuffers): BlockUnpackBound {
    const { rows, arena, directory, segment, tiles } = buffers;
    const named = { rows, arena, directory, segment, tiles };
    const [key, value] = this.#kernels;
    return [key.bind(named), value.bind(named)];
  }

  /** Encodes the first `blockCount` blocks of the segment; those not sealed are left out. */
  encode(pass: GPUComputePassEncoder, bound: BlockUnpackBound, blockCount: number): void {
    for (const side of [KEY, VALUE]) {
      this.#kernels[side].dispatch(pass, bound[side], this.#kvHeadCount, blockCount);
    }
  }
}

/**
 * First blocks of all segments of the sequences of some rows, and these rows, as bindings of one
 * buffer: row by row.
 *
 * @param options `rowCount`: 1 if left out.
 */
export function createSegments(
  gpu: Gpu,
  options: { segmentCount: number; blocksPerSegment: number; rowCount?: number },
): BufferSlice[] {
  const { segmentCount, blocksPerSegment, rowCount = 1 } = options;
  const count = rowCount * segmentCount;
  const words = new Uint32Array(count * BINDING_ALIGNMENT_BYTES / 4);
  const slices = Array.from({ length: count }, (_, index) => {
    const offset = index * BINDING_ALIGNMENT_BYTES;
    words[offset / 4] = (index % segmentCount) * blocksPerSegment;
    words[offset / 4 + 1] = Math.floor(index / segmentCount);
    return { offset, size: 16 };
  });
  const buffer = gpu.createBufferWith("segments", words);
  return slices.map((slice) => ({ buffer, ...slice }));
}

function kernelText(
  options: { layout: PaperLayout },
  side: Side,
  lanes: Lanes,
): string {
  const { layout } = options;
  const windows = windowShape("pack", layout, side);
  const constants = constantLines({
    ...BLOCK_CONSTANTS,
    D: layout.headSize,
    KV_HEAD_COUNT: layout.kvHeadCount,
    LANE_COUNT: lanes.count,
    SIDE: side,
    PACK_WIDTH_BITS: layout.widthBits(side),
    PACK_SIZE: layout.packSize,
    UNIT_TOKENS: windows.unitTokens,
    UNITS_PER_BLOCK: BLOCK_TOKEN_COUNT / windows.unitTokens,
    SECTION_PART_COUNT: layout.rowCount * layout.planeWords,
    SECTION_TABLE_WORD: side * layout.kvHeadCount,
    PARAMS_WORD: layout.paramsWord(side),
    PACK_PAYLOAD_WORD: layout.payloadWord(side),
  });
  const main = expandTemplate(source, {
    eight: windows.unitTokens / 8,
    word: 4,
    row: windows.rowsPerUnit,
    bit: layout.widthBits(side),
  });
  return [
    main,
    constants,
    "alias Heads = vec2<f32>; // what the lanes' text can also exchange\n",
    PACK_TEXT,
    rowText(windows),
    sideText(windows, layout, side),
    windowsText(windows, false),
    ROW_TEXT,
    lanes.text,
  ].join("\n");
}
