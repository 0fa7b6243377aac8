import source from "../../../shaders/matmul/rows.wgsl" with { type: "text" };
import type { AdapterFacts, Gpu } from "../../gpu/gpu.ts";
import { expandTemplate } from "../../gpu/wgsl_template.ts";
import { CodeInputs, type MatmulCodesOptions } from "./code_inputs.ts";
import { MATMUL_DOT_TEXT, matmulProductText, rowSets } from "./parts.ts";
import { type BoundMatmul, type Matmul, type MatmulBuffers, MatmulPipelines } from "./product.ts";
import { ROW_COUNTS, rowTiles } from "./row_counts.ts";
import { chooseCodesVariant, type MatmulVariant } from "./variants.ts";

/**
 * The product of activations that are first made codes of 8 bits, with a scale for each row and
 * group of 32 columns. A row has the same bits for any number of rows, and its integers are the
 * same on every device.
 */
export class MatmulCodesKernel implements Matmul {
  #variant: MatmulVariant;
  #inputs: CodeInputs;
  #pipelines: MatmulPipelines;

  private constructor(
    variant: MatmulVariant,
    kernels: { inputs: CodeInputs; pipelines: MatmulPipelines },
  ) {
    this.#variant = variant;
    this.#inputs = kernels.inputs;
    this.#pipelines = kernels.pipelines;
  }

  /**
   * Compiles for weights of one shape and format, of which `hasCodes` holds.
   *
   * @throws {RangeError} If the heads do not make up the rows of the weight.
   */
  static async create(
    gpu: Gpu,
    options: MatmulCodesOptions,
    facts: AdapterFacts = gpu.facts,
  ): Promise<MatmulCodesKernel> {
    const { way, weights, output } = options;
    const variant = chooseCodesVariant(weights, { facts, way });
    const dotText = MATMUL_DOT_TEXT[facts.hasDot4 ? "packed" : "apart"];
    const pipelines = await MatmulPipelines.create(gpu, { weights, output }, {
      operation: "matmul of codes",
      rowCounts: ROW_COUNTS,
      textOf: (rowCount, format) =>
        [
          expandTemplate(source, rowSets(rowCount)),
          matmulProductText(rowCount, "codes", format),
          dotText,
        ].join("\n"),
      constantsOf: () => ({ SLICE_COUNT: variant.sliceCount(weights) }),
    });
    const inputs = await CodeInputs.create(gpu, options);
    return new MatmulCodesKernel(variant, { inputs, pipelines });
  }

  /** The first bind group is that of the codes, the others are those of the product. */
  bind(buffers: MatmulBuffers): BoundMatmul {
    return this.#inputs.bind(buffers, this.#pipelines);
  }

  encode(pass: GPUComputePassEncoder, bound: BoundMatmul, rowCount: number): void {
    const products = this.#inputs.encode(pass, bound, rowCount);
    const { size, tileCount } = rowTiles(rowCount);
    const gridOf = (groupCount: number) => this.#variant.grid(groupCount, tileCount);
    this.#pipelines.encode(pass, products, { size, gridOf });
  }
}
