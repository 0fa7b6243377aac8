import source from "../../../shaders/embed/row.wgsl" with { type: "text" };
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { ROW_TEXT } from "../text/row.ts";
import { WEIGHT_FORMATS } from "../weight_formats.ts";
import type { DeviceWeights } from "../weight_layout.ts";

/** Buffers of one use of {@link EmbedKernel}. */
export interface EmbedBuffers {
  /** u32 token ids; what they index is below the rows of the weight. */
  ids: GPUBuffer | BufferSlice;
  /** u32 `[rows][ROW_WORDS]`. */
  rows: GPUBuffer | BufferSlice;
  /** f32 `[rows, columnCount]`. */
  x: GPUBuffer | BufferSlice;
}

/** Bind groups of one use, one per part of the weight. */
export type BoundEmbed = readonly GPUBindGroup[];

/** `x[row] = weight[ids[rows[row].id_index]]`, expanded to f32. */
export class EmbedKernel {
  #weights: DeviceWeights;
  /** One per part of the weight. */
  #kernels: Kernel[];

  private constructor(weights: DeviceWeights, kernels: Kernel[]) {
    this.#weights = weights;
    this.#kernels = kernels;
  }

  /** Compiles for an embedding, `[vocabulary, columns]`, whose values are multiplied by `scale`. */
  static async create(
    gpu: Gpu,
    weights: DeviceWeights,
    { scale } = { scale: 1 },
  ): Promise<EmbedKernel> {
    const kernels: Kernel[] = [];
    for (const { format, rowStart, rowCount } of weights.parts) {
      const code = [source, WEIGHT_FORMATS[format].text, ROW_TEXT].join("\n");
      const constants = {
        COLUMN_COUNT: weights.columnCount,
        PART_START: rowStart,
        PART_COUNT: rowCount,
        SCALE: scale,
      };
      kernels.push(await Kernel.create(gpu, { label: "embed", code, constants }));
    }
    return new EmbedKernel(weights, kernels);
  }

  /** Binds buffers. */
  bind({ ids, rows, x }: EmbedBuffers): BoundEmbed {
    return this.#kernels.map((kernel, index) => {
      const { words: weights, scales } = this.#weights.parts[index];
      return kernel.bind({ weights, scales, ids, rows, x });
    });
  }

  /** Encodes `rowCount` rows. */
  encode(pass: GPUComputePassEncoder, bound: BoundEmbed, rowCount: number): void {
    for (const [index, kernel] of this.#kernels.entries()) {
      kernel.dispatch(pass, bound[index], rowCount);
    }
  }
}
