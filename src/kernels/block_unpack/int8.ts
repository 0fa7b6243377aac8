import codes from "../../../shaders/lib/int8_codes.wgsl" with { type: "text" };
import rawTile from "../../../shaders/lib/kv_raw_tile.wgsl" with { type: "text" };
import source from "../../../shaders/block_unpack/int8.wgsl" with { type: "text" };
import type { Int8Layout } from "../../codec/int8/layout.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { INT8_TEXT } from "../text/int8.ts";
import { ROW_TEXT } from "../text/row.ts";
import type { BlockUnpackBuffers } from "./paper.ts";
import { SectionUnpacker } from "./section_unpacker.ts";

/** Unpacks int8 blocks of one sequence to raw tiles in scratch memory. */
export class BlockUnpackInt8Kernel extends SectionUnpacker {
  /** Compiles for one record layout. */
  static async create(
    gpu: Gpu,
    { layout }: { layout: Int8Layout },
  ): Promise<BlockUnpackInt8Kernel> {
    const { kvHeadCount, headSize, sectionWords } = layout;
    const constants = {
      KV_HEAD_COUNT: kvHeadCount,
      HEAD_SIZE: headSize,
      SECTION_WORDS: sectionWords,
    };
    const code = [source, rawTile, codes, ROW_TEXT, INT8_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "block_unpack/int8", code, constants });
    return new BlockUnpackInt8Kernel(kernel, layout);
  }

  /** Binds buffers, once per layer and segment. */
  bind(buffers: BlockUnpackBuffers): GPUBindGroup {
    const { rows, arena, directory, segment, tiles } = buffers;
    return this.kernel.bind({ rows, arena, directory, segment, tiles });
  }
}
