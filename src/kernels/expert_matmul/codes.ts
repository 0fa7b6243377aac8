import source from "../../../shaders/expert_matmul/rows.wgsl" with { type: "text" };
import type { AdapterFacts, Gpu } from "../../gpu/gpu.ts";
import { expandTemplate } from "../../gpu/wgsl_template.ts";
import { bundleCountMax, bundleSize, ROWS_ROOM } from "../expert_bundles.ts";
import { matmulProductText, rowSets } from "../matmul/parts.ts";
import { GROUP_ROW_COUNT } from "../weight_layout.ts";
import { ExpertCodesProduct, type ExpertMatmulCodesOptions } from "./codes_product.ts";
import type { BoundExpertMatmul, ExpertMatmul, ExpertMatmulBuffers } from "./product.ts";
import { BUNDLE_SIZES } from "./rows.ts";

/**
 * The product of activations that are first made codes of 8 bits, for few rows of an expert. A row
 * has the same bits for any number of rows, and its integers are the same on every device.
 */
export class ExpertMatmulCodesKernel implements ExpertMatmul {
  #product: ExpertCodesProduct;

  private constructor(product: ExpertCodesProduct) {
    this.#product = product;
  }

  /** Compiles for weights of one shape and format. */
  static async create(
    gpu: Gpu,
    options: ExpertMatmulCodesOptions,
    facts: AdapterFacts = gpu.facts,
  ): Promise<ExpertMatmulCodesKernel> {
    const { format } = options.weights;
    const product = await ExpertCodesProduct.create(gpu, options, facts, {
      sizes: BUNDLE_SIZES,
      room: ROWS_ROOM,
      textOf: (size) =>
        [
          expandTemplate(source, rowSets(size)),
          matmulProductText(size, "codes", format),
        ].join("\n"),
    });
    return new ExpertMatmulCodesKernel(product);
  }

  bind(buffers: ExpertMatmulBuffers): BoundExpertMatmul {
    return this.#product.bind(buffers);
  }

  encode(pass: GPUComputePassEncoder, bound: BoundExpertMatmul, rowCount: number): void {
    const { variant, options: { weights, usedCount } } = this.#product;
    const size = BUNDLE_SIZES.findIndex((each) => each === bundleSize(rowCount));
    const bundleCount = bundleCountMax({ expertCount: weights.expertCount, usedCount }, rowCount);
    const grid = variant.grid(weights.rowCount / GROUP_ROW_COUNT, bundleCount);
    this.#product.encode(pass, bound, rowCount, { size, grid });
  }
}
