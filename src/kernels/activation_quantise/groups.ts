import source from "../../../shaders/activation_quantise/groups.wgsl" with { type: "text" };
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { expandTemplate } from "../../gpu/wgsl_template.ts";
import { rowWorkgroupSize } from "../row_workgroup.ts";

/** Columns that share a scale. */
export const ACTIVATION_GROUP_SIZE = 32;

/** Words of a group's codes, and of its side: the scale and the sums of both halves' codes. */
export const [CODE_WORDS, SIDE_WORDS] = [8, 2];

/** Buffers of one use of {@link ActivationQuantiseKernel}. */
export interface ActivationQuantiseBuffers {
  /** f32 `[rows, columns]`. */
  x: GPUBuffer | BufferSlice;
  /** f32 `[columns]`: with a norm. */
  normWeight?: GPUBuffer | BufferSlice;
  /** i8 `[rows, columns]`. */
  codes: GPUBuffer;
  /** u32 `[rows, columns / 32, SIDE_WORDS]`. */
  sides: GPUBuffer;
}

/** Activations as codes of 8 bits with a scale for each row and group of 32 columns. */
export class ActivationQuantiseKernel {
  #kernel: Kernel;

  private constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /**
   * Compiles for rows of `columnCount` values.
   *
   * @param options `columnCount`: a multiple of 32. `normEpsilon`: of an RMSNorm before; none if
   * left out.
   */
  static async create(
    gpu: Gpu,
    options: { columnCount: number; normEpsilon?: number },
  ): Promise<ActivationQuantiseKernel> {
    const { columnCount, normEpsilon } = options;
    const constants: Record<string, number> = {
      COLUMN_COUNT: columnCount,
      WORKGROUP_SIZE: rowWorkgroupSize("activation_quantise", gpu.facts),
    };
    if (normEpsilon !== undefined) constants.EPSILON = normEpsilon;
    const code = expandTemplate(source, { part: 8, norm: normEpsilon === undefined ? 0 : 1 });
    const label = "activation_quantise";
    return new ActivationQuantiseKernel(await Kernel.create(gpu, { label, code, constants }));
  }

  /** Binds buffers. */
  bind({ x, codes, sides, normWeight }: ActivationQuantiseBuffers): GPUBindGroup {
    return this.#kernel.bind({
      x,
      codes,
      sides,
      ...(normWeight === undefined ? {} : { norm_weight: normWeight }),
    });
  }

  /** Encodes `rowCount` rows. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, rowCount: number): void {
    this.#kernel.dispatch(pass, bound, rowCount);
  }
}
