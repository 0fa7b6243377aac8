import source from "../../../shaders/block_select/share.wgsl" with { type: "text" };
import { divCeil, divExact } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantLines } from "../../gpu/wgsl_template.ts";
import { ROW_TEXT } from "../text/row.ts";
import type { BlockSelectBuffers } from "./top.ts";

/** Records of a word of bits. */
const SET_WORD_BITS = 32;

/** Words of the bits of a row and KV head, whose list has room for so many records. */
export function setWords(listCountMax: number): number {
  return divCeil(listCountMax, SET_WORD_BITS);
}

/** Buffers of one use of {@link BlockShareKernel}. */
export interface BlockShareBuffers extends BlockSelectBuffers {
  /** f32 `[rows]`: heads of a group times the share that is read. */
  limits: GPUBuffer | BufferSlice;
  /** u32 `[rows][kvHeadCount][setWords(listCountMax)]`: a bit for each record that is chosen. */
  sets: GPUBuffer | BufferSlice;
}

/** Makes a read list for each row and KV head of the fewest records that get enough attention. */
export class BlockShareKernel {
  #kernel: Kernel;
  #kvHeadCount: number;

  private constructor(kernel: Kernel, kvHeadCount: number) {
    this.#kernel = kernel;
    this.#kvHeadCount = kvHeadCount;
  }

  /** Compiles for one shape. */
  static async create(
    gpu: Gpu,
    options: { kvHeadCount: number; queryHeadCount: number; listCountMax: number },
  ): Promise<BlockShareKernel> {
    const { kvHeadCount, queryHeadCount, listCountMax } = options;
    const constants = constantLines({
      KV_HEAD_COUNT: kvHeadCount,
      GROUP_SIZE: divExact(queryHeadCount, kvHeadCount),
      LIST_MAX: listCountMax,
      SET_WORDS: setWords(listCountMax),
    });
    const code = [source, constants, ROW_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "block_select share", code });
    return new BlockShareKernel(kernel, kvHeadCount);
  }

  /** Binds buffers. */
  bind(buffers: BlockShareBuffers): GPUBindGroup {
    return this.#kernel.bind({ ...buffers });
  }

  /** Encodes `rowCount` rows. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, rowCount: number): void {
    this.#kernel.dispatch(pass, bound, this.#kvHeadCount, rowCount);
  }
}
