import source from "../../../shaders/sample/row.wgsl" with { type: "text" };
import type { Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { rowWorkgroupSize } from "../row_workgroup.ts";
import {
  type BoundSample,
  SAMPLE_DRAW_TEXT,
  type SampleBuffers,
  type TokenSampler,
} from "./sampling.ts";

/** Chooses a token for each row of logits, with one workgroup; see the shader for the rules. */
export class SampleKernel implements TokenSampler {
  #kernel: Kernel;

  private constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Compiles for rows of `vocabSize` logits. */
  static async create(
    gpu: Gpu,
    options: { vocabSize: number; workgroupSize?: number },
  ): Promise<SampleKernel> {
    const constants = {
      VOCAB_SIZE: options.vocabSize,
      WORKGROUP_SIZE: options.workgroupSize ?? rowWorkgroupSize("sample", gpu.facts),
    };
    const code = [source, SAMPLE_DRAW_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "sample", code, constants });
    return new SampleKernel(kernel);
  }

  bind({ logits, rows, settings, ids }: SampleBuffers): BoundSample {
    const buffers = { logits_by_4: logits, logits, rows, settings_of: settings, ids };
    return { groups: [this.#kernel.bind(buffers)], scratch: [] };
  }

  encode(pass: GPUComputePassEncoder, { groups }: BoundSample, rowCount: number): void {
    this.#kernel.dispatch(pass, groups[0], rowCount);
  }
}
