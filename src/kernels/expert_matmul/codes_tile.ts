import source from "../../../shaders/expert_matmul/codes_tile.wgsl" with { type: "text" };
import { divCeil } from "../../core/shapes.ts";
import type { AdapterFacts, Gpu } from "../../gpu/gpu.ts";
import { bundleCountMax, TILE_ROOM } from "../expert_bundles.ts";
import { codesTileText } from "../matmul/parts.ts";
import { GROUP_ROW_COUNT } from "../weight_layout.ts";
import { ExpertCodesProduct, type ExpertMatmulCodesOptions } from "./codes_product.ts";
import type { BoundExpertMatmul, ExpertMatmul, ExpertMatmulBuffers } from "./product.ts";

/** Groups of 32 outputs of a workgroup. */
const GROUP_COUNT = 2;

/**
 * The product of codes for the rows of a slice. A row has the same bits in any slice, and those
 * that `ExpertMatmulCodesKernel` gives it: the same operations in the same order.
 */
export class ExpertMatmulCodesTileKernel implements ExpertMatmul {
  #product: ExpertCodesProduct;

  private constructor(product: ExpertCodesProduct) {
    this.#product = product;
  }

  /** Compiles for weights of one shape and format. */
  static async create(
    gpu: Gpu,
    options: ExpertMatmulCodesOptions,
    facts: AdapterFacts = gpu.facts,
  ): Promise<ExpertMatmulCodesTileKernel> {
    const product = await ExpertCodesProduct.create(gpu, options, facts, {
      sizes: [TILE_ROOM],
      room: TILE_ROOM,
      textOf: () => codesTileText(source, TILE_ROOM, options.weights.format),
    });
    return new ExpertMatmulCodesTileKernel(product);
  }

  bind(buffers: ExpertMatmulBuffers): BoundExpertMatmul {
    return this.#product.bind(buffers);
  }

  encode(pass: GPUComputePassEncoder, bound: BoundExpertMatmul, rowCount: number): void {
    const { weights: { rowCount: outputCount, expertCount }, usedCount } = this.#product.options;
    const bundleCount = bundleCountMax({ expertCount, usedCount, room: TILE_ROOM }, rowCount);
    const groupCount = divCeil(outputCount, GROUP_COUNT * GROUP_ROW_COUNT);
    this.#product.encode(pass, bound, rowCount, { size: 0, grid: [bundleCount, groupCount] });
  }
}
