/**
 * What the products of codes with experts have in common, of few rows and of slices.
 *
 * @module
 */

import type { AdapterFacts, Gpu } from "../../gpu/gpu.ts";
import { CodeInputs, type CodesOptions } from "../matmul/code_inputs.ts";
import { MATMUL_DOT_TEXT } from "../matmul/parts.ts";
import { MATMUL_CODES_VARIANTS, type MatmulVariant } from "../matmul/variants.ts";
import { chooseVariant } from "../variant.ts";
import {
  type BoundExpertMatmul,
  type ExpertMatmulBuffers,
  type ExpertMatmulOptions,
  type ExpertPipelineOptions,
  ExpertPipelines,
} from "./product.ts";

/** What products of codes of experts are compiled for, of a format of which `isOfCodes` holds. */
export interface ExpertMatmulCodesOptions extends ExpertMatmulOptions, CodesOptions {}

/** What makes codes of a product's rows, and the product of them. */
export class ExpertCodesProduct {
  /**
   * How sums are shared among lanes: those of a row and those of a slice alike, so that both have
   * the same bits.
   */
  readonly variant: MatmulVariant;
  /** What the pipelines are compiled for: a norm is in the scales of codes. */
  readonly options: ExpertMatmulOptions;
  #inputs: CodeInputs;
  #pipelines: ExpertPipelines;

  private constructor(
    variant: MatmulVariant,
    options: ExpertMatmulOptions,
    kernels: { inputs: CodeInputs; pipelines: ExpertPipelines },
  ) {
    this.variant = variant;
    this.options = options;
    this.#inputs = kernels.inputs;
    this.#pipelines = kernels.pipelines;
  }

  /** Compiles for weights of one shape and format. */
  static async create(
    gpu: Gpu,
    { weights, usedCount, input, output, hasBiases, way, ...codes }: ExpertMatmulCodesOptions,
    facts: AdapterFacts,
    { sizes, room, textOf }: Omit<ExpertPipelineOptions, "operation" | "constants">,
  ): Promise<ExpertCodesProduct> {
    const variant = MATMUL_CODES_VARIANTS.find(({ name }) => name === way) ??
      chooseVariant("expert_matmul of codes", MATMUL_CODES_VARIANTS, { facts, shape: weights });
    const options = { weights, usedCount, input, output, hasBiases };
    const dotText = MATMUL_DOT_TEXT[facts.hasDot4 ? "packed" : "apart"];
    const pipelines = await ExpertPipelines.create(gpu, options, {
      operation: "expert_matmul of codes",
      sizes,
      room,
      textOf: (size) => [textOf(size), dotText].join("\n"),
      constants: { SLICE_COUNT: variant.sliceCount(weights) },
    });
    const inputs = await CodeInputs.create(gpu, { weights, ...codes });
    return new ExpertCodesProduct(variant, options, { inputs, pipelines });
  }

  /** The first bind group is that of the codes, the others are those of the product. */
  bind(buffers: ExpertMatmulBuffers): BoundExpertMatmul {
    return this.#inputs.bind(buffers, this.#pipelines);
  }

  /** Makes codes of the rows, or of the visits where each has its own, and multiplies them. */
  encode(
    pass: GPUComputePassEncoder,
    bound: BoundExpertMatmul,
    rowCount: number,
    dispatch: { size: number; grid: [x: number, y: number] },
  ): void {
    const { input, usedCount } = this.options;
    const inputCount = input === "row" ? rowCount : rowCount * usedCount;
    this.#pipelines.encode(pass, this.#inputs.encode(pass, bound, inputCount), dispatch);
  }
}
