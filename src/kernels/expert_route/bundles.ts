import source from "../../../shaders/expert_route/bundles.wgsl" with { type: "text" };
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { bundleText, type ExpertCounts } from "../expert_bundles.ts";
import { rowWorkgroupSize } from "../row_workgroup.ts";

/** Buffers of one use of an {@link ExpertBundlesKernel}. */
export interface ExpertBundlesBuffers {
  /** u32 `[rows, usedCount]`: the chosen experts, best first. */
  choices: GPUBuffer | BufferSlice;
  /** u32 `[bundles][bundleWordCount()]`, as many as `bundleCountMax()` says. */
  bundles: GPUBuffer | BufferSlice;
}

/** Groups rows by the experts that they chose. */
export class ExpertBundlesKernel {
  #kernel: Kernel;

  private constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Compiles for a number of experts. */
  static async create(
    gpu: Gpu,
    { expertCount, usedCount, room }: ExpertCounts,
  ): Promise<ExpertBundlesKernel> {
    const constants = {
      EXPERT_COUNT: expertCount,
      USED_COUNT: usedCount,
      WORKGROUP_SIZE: rowWorkgroupSize("expert_route", gpu.facts),
    };
    const code = [source, bundleText(room)].join("\n");
    const kernel = await Kernel.create(gpu, { label: "expert_route bundles", code, constants });
    return new ExpertBundlesKernel(kernel);
  }

  /** Binds buffers. */
  bind({ choices, bundles }: ExpertBundlesBuffers): GPUBindGroup {
    return this.#kernel.bind({ choices, bundles });
  }

  /** Encodes the visits of `rowCount` rows. */
  encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, rowCount: number): void {
    this.#kernel.dispatch(pass, bound, 1, rowCount);
  }
}
