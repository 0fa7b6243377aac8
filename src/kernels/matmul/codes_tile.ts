import source from "../../../shaders/matmul/codes_tile.wgsl" with { type: "text" };
import type { AdapterFacts, Gpu } from "../../gpu/gpu.ts";
import { constantsPart, expandTemplate } from "../../gpu/wgsl_template.ts";
import { WEIGHT_FORMATS, type WeightFormat } from "../weight_formats.ts";
import type { WeightFormatSpec } from "../weight_formats/spec.ts";
import { CodeInputs, type MatmulCodesOptions } from "./code_inputs.ts";
import { MATMUL_DOT_TEXT } from "./parts.ts";
import { type BoundMatmul, type Matmul, type MatmulBuffers, MatmulPipelines } from "./product.ts";
import { sliceTiles, TILE_ROW_COUNTS } from "./row_counts.ts";
import { chooseCodesVariant } from "./variants.ts";

/** Rows of x that are a thread apart from the next of the same thread. */
const ROW_STEP = 16;

/**
 * The product of codes for the rows of a slice. A row has the same bits in any slice, and those
 * that `MatmulCodesKernel` gives it: the same operations in the same order.
 */
export class MatmulCodesTileKernel implements Matmul {
  #inputs: CodeInputs;
  #pipelines: MatmulPipelines;

  private constructor(inputs: CodeInputs, pipelines: MatmulPipelines) {
    this.#inputs = inputs;
    this.#pipelines = pipelines;
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
  ): Promise<MatmulCodesTileKernel> {
    const { way, weights, output } = options;
    const variant = chooseCodesVariant(weights, { facts, way });
    const dotText = MATMUL_DOT_TEXT[facts.hasDot4 ? "packed" : "apart"];
    const pipelines = await MatmulPipelines.create(gpu, { weights, output }, {
      operation: "matmul of codes",
      rowCounts: TILE_ROW_COUNTS,
      textOf: (rowCount, format) => [tileText(rowCount, format), dotText].join("\n"),
      constantsOf: (groupCount) => ({
        GROUP_COUNT: groupCount,
        SLICE_COUNT: variant.sliceCount(weights),
      }),
    });
    return new MatmulCodesTileKernel(await CodeInputs.create(gpu, options), pipelines);
  }

  /** The first bind group is that of the codes, the others are those of the product. */
  bind(buffers: MatmulBuffers): BoundMatmul {
    return this.#inputs.bind(buffers, this.#pipelines);
  }

  /** Rows are computed up to a multiple of 16 or 64, as far as there is room in `x`. */
  encode(pass: GPUComputePassEncoder, bound: BoundMatmul, rowCount: number): void {
    const products = this.#inputs.encode(pass, bound, rowCount);
    this.#pipelines.encode(pass, products, sliceTiles(rowCount));
  }
}

function tileText(rowCount: number, format: WeightFormat): string {
  const spec: WeightFormatSpec = WEIGHT_FORMATS[format];
  const text = expandTemplate(source, {
    token: rowCount / ROW_STEP,
    output: 4,
    half: 2,
    quarter: 4,
    half_scales: spec.hasHalfScales ? 1 : 0,
  });
  return [text, constantsPart({ TOKEN_COUNT: rowCount }), spec.text].join("\n");
}
