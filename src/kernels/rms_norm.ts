import source from "../../shaders/rms_norm.wgsl" with { type: "text" };
import { invariant } from "../core/errors.ts";
import type { BufferSlice, Gpu } from "../gpu/gpu.ts";

/** Buffers of one use of {@link RmsNormKernel}; bound once, recorded many times. */
export interface RmsNormBuffers {
  /** f32 `[rows, columnCount]`. */
  x: GPUBuffer | BufferSlice;
  /** f32 `[columnCount]`. */
  weight: GPUBuffer | BufferSlice;
  /** f32 `[rows, columnCount]`; not `x`. */
  y: GPUBuffer | BufferSlice;
}

/** `y = x * weight / rms(x)` per row. arXiv:1910.07467, eq. 4. */
export class RmsNormKernel {
  #gpu: Gpu;
  #pipeline: GPUComputePipeline;

  private constructor(gpu: Gpu, pipeline: GPUComputePipeline) {
    this.#gpu = gpu;
    this.#pipeline = pipeline;
  }

  /** Compiles for rows of `columnCount` elements. */
  static async create(
    gpu: Gpu,
    options: { columnCount: number; epsilon: number },
  ): Promise<RmsNormKernel> {
    const constants = { COLUMN_COUNT: options.columnCount, EPSILON: options.epsilon };
    const pipeline = await gpu.createPipeline({ label: "rms_norm", code: source, constants });
    return new RmsNormKernel(gpu, pipeline);
  }

  /** Binds buffers; do it at load, not in the step loop. */
  bind({ x, weight, y }: RmsNormBuffers): GPUBindGroup {
    invariant(x !== y, "y does not alias x");
    return this.#gpu.bind(this.#pipeline, [x, weight, y]);
  }

  /** Records the norm of `rowCount` rows. */
  record(pass: GPUComputePassEncoder, bound: GPUBindGroup, rowCount: number): void {
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, bound);
    pass.dispatchWorkgroups(rowCount);
  }
}
