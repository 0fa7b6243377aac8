import centres from "../../../shaders/lib/deltakv_centres.wgsl" with { type: "text" };
import rawTile from "../../../shaders/lib/kv_raw_tile.wgsl" with { type: "text" };
import source from "../../../shaders/block_unpack/deltakv.wgsl" with { type: "text" };
import type { DeltaKvLayout } from "../../codec/deltakv/layout.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import { deltaKvConstants } from "../text/deltakv.ts";
import { ROW_TEXT } from "../text/row.ts";
import type { BlockUnpackBuffers } from "./paper.ts";
import { SectionUnpacker } from "./section_unpacker.ts";

/** Buffers of {@link BlockUnpackDeltaKvKernel}. */
export interface BlockUnpackDeltaKvBuffers extends BlockUnpackBuffers {
  /** u32 `[64][headSize / 2]`: what keys of the layer turn by, `turnWords` of the codec. */
  turns: GPUBuffer | BufferSlice;
}

/** Unpacks DeltaKV blocks of one sequence to raw tiles in scratch memory. */
export class BlockUnpackDeltaKvKernel extends SectionUnpacker {
  /** Compiles for one record layout. */
  static async create(
    gpu: Gpu,
    { layout }: { layout: DeltaKvLayout },
  ): Promise<BlockUnpackDeltaKvKernel> {
    const constants = constantsPart(deltaKvConstants(layout));
    const code = [source, rawTile, centres, ROW_TEXT, constants].join("\n");
    const kernel = await Kernel.create(gpu, { label: "block_unpack/deltakv", code });
    return new BlockUnpackDeltaKvKernel(kernel, layout.paper);
  }

  /** Binds buffers, once per layer and segment. */
  bind(buffers: BlockUnpackDeltaKvBuffers): GPUBindGroup {
    const { rows, arena, directory, segment, tiles, turns } = buffers;
    return this.kernel.bind({ rows, arena, directory, segment, tiles, turns });
  }
}
