import codes from "../../../shaders/lib/xquant_codes.wgsl" with { type: "text" };
import rawTile from "../../../shaders/lib/kv_raw_tile.wgsl" with { type: "text" };
import source from "../../../shaders/block_unpack/xquant.wgsl" with { type: "text" };
import type { XquantLayout } from "../../codec/xquant/layout.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantsPart } from "../../gpu/wgsl_template.ts";
import { ROW_TEXT } from "../text/row.ts";
import { xquantConstants } from "../text/xquant.ts";
import type { BlockUnpackBuffers } from "./paper.ts";
import { SectionUnpacker } from "./section_unpacker.ts";

/** Buffers of {@link BlockUnpackXquantKernel}. */
export interface BlockUnpackXquantBuffers extends BlockUnpackBuffers {
  /** u32 `[1]`: from a record to the codes it is read with, `layout.codeStart` modulo 2^32. */
  codeStart: GPUBuffer | BufferSlice;
}

/** Unpacks XQuant blocks of one sequence to raw tiles in scratch memory. */
export class BlockUnpackXquantKernel extends SectionUnpacker {
  /** Compiles for one record layout. */
  static async create(
    gpu: Gpu,
    { layout }: { layout: XquantLayout },
  ): Promise<BlockUnpackXquantKernel> {
    const constants = constantsPart(xquantConstants(layout));
    const code = [source, rawTile, codes, ROW_TEXT, constants].join("\n");
    const kernel = await Kernel.create(gpu, { label: "block_unpack/xquant", code });
    return new BlockUnpackXquantKernel(kernel, layout);
  }

  /** Binds buffers, once per layer and segment. */
  bind(buffers: BlockUnpackXquantBuffers): GPUBindGroup {
    const { rows, arena, directory, segment, tiles, codeStart } = buffers;
    return this.kernel.bind({ rows, arena, directory, segment, tiles, code_start: codeStart });
  }
}
