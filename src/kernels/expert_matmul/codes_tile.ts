import source from "../../../shaders/expert_matmul/codes_tile.wgsl" with { type: "text" };
import { divCeil } from "../../core/shapes.ts";
import type { AdapterFacts, Gpu } from "../../gpu/gpu.ts";
import { bundleCountMax, TILE_ROOM } from "../expert_bundles.ts";
import { CodeInputs } from "../matmul/code_inputs.ts";
import { codesTileText, MATMUL_DOT_TEXT } from "../matmul/parts.ts";
import { GROUP_ROW_COUNT } from "../weight_layout.ts";
import {
  chooseExpertCodesVariant,
  type ExpertMatmulCodesOptions,
  inputRowCount,
  optionsOfCodes,
} from "./codes.ts";
import {
  type BoundExpertMatmul,
  type ExpertMatmul,
  type ExpertMatmulBuffers,
  type ExpertMatmulOptions,
  ExpertPipelines,
} from "./product.ts";

/** Groups of 32 outputs of a workgroup. */
const GROUP_COUNT = 2;

/**
 * The product of codes for the rows of a slice. A row has the same bits in any slice, and those
 * that `ExpertMatmulCodesKernel` gives it: the same operations in the same order.
 */
export class ExpertMatmulCodesTileKernel implements ExpertMatmul {
  #options: ExpertMatmulOptions;
  #inputs: CodeInputs;
  #pipelines: ExpertPipelines;

  private constructor(
    options: ExpertMatmulOptions,
    kernels: { inputs: CodeInputs; pipelines: ExpertPipelines },
  ) {
    this.#options = options;
    this.#inputs = kernels.inputs;
    this.#pipelines = kernels.pipelines;
  }

  /** Compiles for weights of one shape and format. */
  static async create(
    gpu: Gpu,
    options: ExpertMatmulCodesOptions,
    facts: AdapterFacts = gpu.facts,
  ): Promise<ExpertMatmulCodesTileKernel> {
    const { way, weights } = options;
    const product = optionsOfCodes(options);
    const variant = chooseExpertCodesVariant(weights, { facts, way });
    const dotText = MATMUL_DOT_TEXT[facts.hasDot4 ? "packed" : "apart"];
    const pipelines = await ExpertPipelines.create(gpu, product, {
      operation: "expert_matmul of codes",
      sizes: [TILE_ROOM],
      room: TILE_ROOM,
      textOf: () => [codesTileText(source, TILE_ROOM, weights.format), dotText].join("\n"),
      constants: { SLICE_COUNT: variant.sliceCount(weights) },
    });
    const inputs = await CodeInputs.create(gpu, options);
    return new ExpertMatmulCodesTileKernel(product, { inputs, pipelines });
  }

  /** The first bind group is that of the codes, the others are those of the product. */
  bind(buffers: ExpertMatmulBuffers): BoundExpertMatmul {
    return this.#inputs.bind(buffers, this.#pipelines);
  }

  encode(pass: GPUComputePassEncoder, bound: BoundExpertMatmul, rowCount: number): void {
    const { weights: { rowCount: outputCount, expertCount }, usedCount } = this.#options;
    const products = this.#inputs.encode(pass, bound, inputRowCount(this.#options, rowCount));
    const bundleCount = bundleCountMax({ expertCount, usedCount, room: TILE_ROOM }, rowCount);
    const grid: [number, number] = [
      bundleCount,
      divCeil(outputCount, GROUP_COUNT * GROUP_ROW_COUNT),
    ];
    this.#pipelines.encode(pass, products, { size: 0, grid });
  }
}
