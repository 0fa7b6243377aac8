import source from "../../../shaders/matmul/codes_tile.wgsl" with { type: "text" };
import type { AdapterFacts, Gpu } from "../../gpu/gpu.ts";
import { CodeInputs, type MatmulCodesOptions } from "./code_inputs.ts";
import { codesTileText, MATMUL_DOT_TEXT } from "./parts.ts";
import { type BoundMatmul, type Matmul, type MatmulBuffers, MatmulPipelines } from "./product.ts";
import { sliceTiles, type TileRowCount, tileRowCounts } from "./row_counts.ts";
import type { TileOptions } from "./tile.ts";
import { chooseCodesVariant } from "./variants.ts";

/**
 * The product of codes for the rows of a slice. A row has the same bits in any slice, and those
 * that `MatmulCodesKernel` gives it: the same operations in the same order.
 */
export class MatmulCodesTileKernel implements Matmul {
  #inputs: CodeInputs;
  #pipelines: MatmulPipelines;
  #most: TileRowCount;

  private constructor(inputs: CodeInputs, pipelines: MatmulPipelines, most: TileRowCount) {
    this.#inputs = inputs;
    this.#pipelines = pipelines;
    this.#most = most;
  }

  /**
   * Compiles for weights of one shape and format, of which `hasCodes` holds.
   *
   * @param options `tileRowCount`: most rows of a tile, 64 if left out; bits do not depend on it.
   * @throws {RangeError} If the heads do not make up the rows of the weight.
   */
  static async create(
    gpu: Gpu,
    { tileRowCount = 64, ...options }: MatmulCodesOptions & TileOptions,
    facts: AdapterFacts = gpu.facts,
  ): Promise<MatmulCodesTileKernel> {
    const { way, weights, output } = options;
    const variant = chooseCodesVariant(weights, { facts, way });
    const dotText = MATMUL_DOT_TEXT[facts.hasDot4 ? "packed" : "apart"];
    const pipelines = await MatmulPipelines.create(gpu, { weights, output }, {
      operation: "matmul of codes",
      rowCounts: tileRowCounts(tileRowCount),
      textOf: (rowCount, format) => [codesTileText(source, rowCount, format), dotText].join("\n"),
      constantsOf: (groupCount) => ({
        GROUP_COUNT: groupCount,
        SLICE_COUNT: variant.sliceCount(weights),
      }),
    });
    const inputs = await CodeInputs.create(gpu, options);
    return new MatmulCodesTileKernel(inputs, pipelines, tileRowCount);
  }

  /** The first bind group is that of the codes, the others are those of the product. */
  bind(buffers: MatmulBuffers): BoundMatmul {
    return this.#inputs.bind(buffers, this.#pipelines);
  }

  /** Rows are computed up to a multiple of those of a tile, as far as there is room in `x`. */
  encode(pass: GPUComputePassEncoder, bound: BoundMatmul, rowCount: number): void {
    const products = this.#inputs.encode(pass, bound, rowCount);
    this.#pipelines.encode(pass, products, sliceTiles(rowCount, this.#most));
  }
}
