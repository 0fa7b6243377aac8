import source from "../../../shaders/norm_add/row.wgsl" with { type: "text" };
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { expandTemplate } from "../../gpu/wgsl_template.ts";
import { rowWorkgroupSize } from "../row_workgroup.ts";

/** Buffers of one use of {@link NormAddKernel}. */
export interface NormAddBuffers {
  /** f32 `[rows, width]`. */
  given: GPUBuffer | BufferSlice;
  /** f32 `[width]`. */
  weight: GPUBuffer | BufferSlice;
  /** f32 `[rows, width]`; not `given`. */
  x: GPUBuffer | BufferSlice;
  /** f32 `[1]`: with a factor. */
  factors?: GPUBuffer | BufferSlice;
}

/** `x += weight * given / rms(given)` per row, then `x *= factor` if there is one. */
export class NormAddKernel {
  #kernel: Kernel;

  private constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /**
   * Compiles for rows of `width` values.
   *
   * @param options `width`: a multiple of 4. `epsilon`: added to the mean square. `hasFactor`: if
   * the sum is multiplied.
   */
  static async create(
    gpu: Gpu,
    options: { width: number; epsilon: number; hasFactor?: boolean },
  ): Promise<NormAddKernel> {
    const constants = {
      COLUMN_COUNT: options.width,
      EPSILON: options.epsilon,
      WORKGROUP_SIZE: rowWorkgroupSize("norm_add", gpu.facts),
    };
    const code = expandTemplate(source, { has_factor: options.hasFactor ? 1 : 0 });
    return new NormAddKernel(await Kernel.create(gpu, { label: "norm_add", code, constants }));
  }

  /** Binds buffers. */
  bind(buffers: NormAddBuffers): GPUBindGroup {
    return this.#kernel.bind({ ...buffers });
  }

  /** Encodes `rowCount` rows. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, rowCount: number): void {
    this.#kernel.dispatch(pass, bound, rowCount);
  }
}
