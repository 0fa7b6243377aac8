import source from "../../../shaders/expert_matmul/rows.wgsl" with { type: "text" };
import type { AdapterFacts, Gpu } from "../../gpu/gpu.ts";
import { expandTemplate } from "../../gpu/wgsl_template.ts";
import { bundleCountMax, bundleSize, ROWS_ROOM } from "../expert_bundles.ts";
import type { ExpertWeightShape } from "../expert_layout.ts";
import { CodeInputs, type CodesOptions } from "../matmul/code_inputs.ts";
import { MATMUL_DOT_TEXT, matmulProductText, rowSets } from "../matmul/parts.ts";
import { MATMUL_CODES_VARIANTS, type MatmulVariant } from "../matmul/variants.ts";
import { chooseVariant } from "../variant.ts";
import { GROUP_ROW_COUNT } from "../weight_layout.ts";
import {
  type BoundExpertMatmul,
  type ExpertMatmul,
  type ExpertMatmulBuffers,
  type ExpertMatmulOptions,
  ExpertPipelines,
} from "./product.ts";
import { BUNDLE_SIZES } from "./rows.ts";

/** What products of codes of experts are compiled for, of a format of which `isOfCodes` holds. */
export interface ExpertMatmulCodesOptions extends ExpertMatmulOptions, CodesOptions {}

/**
 * How products of codes with experts share sums among lanes: those of a row and those of a slice
 * alike, so that both have the same bits.
 */
export function chooseExpertCodesVariant(
  shape: ExpertWeightShape,
  { facts, way }: { facts: AdapterFacts; way?: string | undefined },
): MatmulVariant {
  return MATMUL_CODES_VARIANTS.find(({ name }) => name === way) ??
    chooseVariant("expert_matmul of codes", MATMUL_CODES_VARIANTS, { facts, shape });
}

/** What is left for the product of codes: a norm is in their scales. */
export function optionsOfCodes(
  { weights, usedCount, input, output, hasBiases }: ExpertMatmulOptions,
): ExpertMatmulOptions {
  return { weights, usedCount, input, output, hasBiases };
}

/** Rows of `x` of a step: one for each row, or for each visit. */
export function inputRowCount(
  { input, usedCount }: Pick<ExpertMatmulOptions, "input" | "usedCount">,
  rowCount: number,
): number {
  return input === "row" ? rowCount : rowCount * usedCount;
}

/**
 * The product of activations that are first made codes of 8 bits, for few rows of an expert. A row
 * has the same bits for any number of rows, and its integers are the same on every device.
 */
export class ExpertMatmulCodesKernel implements ExpertMatmul {
  #options: ExpertMatmulOptions;
  #variant: MatmulVariant;
  #inputs: CodeInputs;
  #pipelines: ExpertPipelines;

  private constructor(
    options: ExpertMatmulOptions,
    variant: MatmulVariant,
    kernels: { inputs: CodeInputs; pipelines: ExpertPipelines },
  ) {
    this.#options = options;
    this.#variant = variant;
    this.#inputs = kernels.inputs;
    this.#pipelines = kernels.pipelines;
  }

  /** Compiles for weights of one shape and format. */
  static async create(
    gpu: Gpu,
    options: ExpertMatmulCodesOptions,
    facts: AdapterFacts = gpu.facts,
  ): Promise<ExpertMatmulCodesKernel> {
    const { way, weights } = options;
    const product = optionsOfCodes(options);
    const variant = chooseExpertCodesVariant(weights, { facts, way });
    const dotText = MATMUL_DOT_TEXT[facts.hasDot4 ? "packed" : "apart"];
    const pipelines = await ExpertPipelines.create(gpu, product, {
      operation: "expert_matmul of codes",
      sizes: BUNDLE_SIZES,
      room: ROWS_ROOM,
      textOf: (size) =>
        [
          expandTemplate(source, rowSets(size)),
          matmulProductText(size, "codes", weights.format),
          dotText,
        ].join("\n"),
      constants: { SLICE_COUNT: variant.sliceCount(weights) },
    });
    const inputs = await CodeInputs.create(gpu, options);
    return new ExpertMatmulCodesKernel(product, variant, { inputs, pipelines });
  }

  /** The first bind group is that of the codes, the others are those of the product. */
  bind(buffers: ExpertMatmulBuffers): BoundExpertMatmul {
    return this.#inputs.bind(buffers, this.#pipelines);
  }

  encode(pass: GPUComputePassEncoder, bound: BoundExpertMatmul, rowCount: number): void {
    const { weights: { rowCount: outputCount, expertCount }, usedCount } = this.#options;
    const products = this.#inputs.encode(pass, bound, inputRowCount(this.#options, rowCount));
    const size = BUNDLE_SIZES.findIndex((each) => each === bundleSize(rowCount));
    const bundleCount = bundleCountMax({ expertCount, usedCount }, rowCount);
    const grid = this.#variant.grid(outputCount / GROUP_ROW_COUNT, bundleCount);
    this.#pipelines.encode(pass, products, { size, grid });
  }
}
