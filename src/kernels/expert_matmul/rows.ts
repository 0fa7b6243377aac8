import source from "../../../shaders/expert_matmul/rows.wgsl" with { type: "text" };
import type { Gpu } from "../../gpu/gpu.ts";
import { expandTemplate } from "../../gpu/wgsl_template.ts";
import { bundleCountMax, bundleSize, ROWS_ROOM } from "../expert_bundles.ts";
import { matmulProductText, rowSets } from "../matmul/parts.ts";
import { MATMUL_VARIANTS, type MatmulVariant } from "../matmul/variants.ts";
import { chooseVariant } from "../variant.ts";
import { GROUP_ROW_COUNT } from "../weight_layout.ts";
import {
  type BoundExpertMatmul,
  type ExpertMatmul,
  type ExpertMatmulBuffers,
  type ExpertMatmulOptions,
  ExpertPipelines,
} from "./product.ts";

/** What an {@link ExpertMatmulKernel} is compiled for. */
export interface ExpertMatmulRowsOptions extends ExpertMatmulOptions {
  /** Which lanes load what; the first of `MATMUL_VARIANTS` that an adapter supports if left out. */
  way?: MatmulVariant["name"];
}

/** Visits that go through an expert together, a pipeline each. */
export const BUNDLE_SIZES = [1, 2, 4] as const;

/** The product for few rows of an expert: a row has the same bits for any number of them. */
export class ExpertMatmulKernel implements ExpertMatmul {
  #options: ExpertMatmulOptions;
  #variant: MatmulVariant;
  #pipelines: ExpertPipelines;

  private constructor(
    options: ExpertMatmulOptions,
    variant: MatmulVariant,
    pipelines: ExpertPipelines,
  ) {
    this.#options = options;
    this.#variant = variant;
    this.#pipelines = pipelines;
  }

  /** Compiles for weights of one shape and format. */
  static async create(gpu: Gpu, options: ExpertMatmulRowsOptions): Promise<ExpertMatmulKernel> {
    const { way, weights } = options;
    const choice = { facts: gpu.facts, shape: weights };
    const variant = MATMUL_VARIANTS.find(({ name }) => name === way) ??
      chooseVariant("expert_matmul", MATMUL_VARIANTS, choice);
    const pipelines = await ExpertPipelines.create(gpu, options, {
      sizes: BUNDLE_SIZES,
      room: ROWS_ROOM,
      textOf: (size) =>
        [
          expandTemplate(source, rowSets(size)),
          matmulProductText(size, variant.way, weights.format),
        ].join("\n"),
      constants: { SLICE_COUNT: variant.sliceCount(weights) },
    });
    return new ExpertMatmulKernel(options, variant, pipelines);
  }

  bind(buffers: ExpertMatmulBuffers): BoundExpertMatmul {
    return this.#pipelines.bind(buffers);
  }

  encode(pass: GPUComputePassEncoder, bound: BoundExpertMatmul, rowCount: number): void {
    const { weights: { rowCount: outputCount, expertCount }, usedCount } = this.#options;
    const size = BUNDLE_SIZES.findIndex((each) => each === bundleSize(rowCount));
    const bundleCount = bundleCountMax({ expertCount, usedCount }, rowCount);
    const grid = this.#variant.grid(outputCount / GROUP_ROW_COUNT, bundleCount);
    this.#pipelines.encode(pass, bound, { size, grid });
  }
}
