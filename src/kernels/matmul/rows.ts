import source from "../../../shaders/matmul/rows.wgsl" with { type: "text" };
import type { AdapterFacts, Gpu } from "../../gpu/gpu.ts";
import { expandTemplate } from "../../gpu/wgsl_template.ts";
import { matmulProductText, rowSets } from "./parts.ts";
import {
  type BoundMatmul,
  type Matmul,
  type MatmulBuffers,
  type MatmulOptions,
  MatmulPipelines,
} from "./product.ts";
import { rowTiles } from "./row_counts.ts";
import { chooseVariant } from "../variant.ts";
import { MATMUL_VARIANTS, matmulKey, type MatmulVariant } from "./variants.ts";

/** What a {@link MatmulKernel} is compiled for. */
export interface MatmulRowsOptions extends MatmulOptions {
  /** Which lanes load what; the first of `MATMUL_VARIANTS` that an adapter supports if left out. */
  way?: MatmulVariant["name"];
}

/** The product for few rows: a row has the same bits for any number of them. */
export class MatmulKernel implements Matmul {
  #variant: MatmulVariant;
  #pipelines: MatmulPipelines;

  private constructor(variant: MatmulVariant, pipelines: MatmulPipelines) {
    this.#variant = variant;
    this.#pipelines = pipelines;
  }

  /**
   * Compiles for weights of one shape and format.
   *
   * @throws {RangeError} If the heads do not make up the rows of the weight.
   */
  static async create(
    gpu: Gpu,
    options: MatmulRowsOptions,
    facts: AdapterFacts = gpu.facts,
  ): Promise<MatmulKernel> {
    const { way, weights } = options;
    const key = matmulKey("matmul", weights);
    const variant = MATMUL_VARIANTS.find(({ name }) => name === way) ??
      chooseVariant("matmul", MATMUL_VARIANTS, { facts, shape: weights, key });
    const pipelines = await MatmulPipelines.create(gpu, options, {
      rowCounts: variant.rowCounts,
      textOf: (rowCount, format) =>
        [
          expandTemplate(source, rowSets(rowCount)),
          matmulProductText(rowCount, variant.way, format),
        ].join("\n"),
      constantsOf: () => ({ SLICE_COUNT: variant.sliceCount(weights) }),
    });
    return new MatmulKernel(variant, pipelines);
  }

  bind(buffers: MatmulBuffers): BoundMatmul {
    return this.#pipelines.bind(buffers);
  }

  encode(pass: GPUComputePassEncoder, bound: BoundMatmul, rowCount: number): void {
    const { size, tileCount } = rowTiles(rowCount, this.#variant.rowCounts);
    const gridOf = (groupCount: number) => this.#variant.grid(groupCount, tileCount);
    this.#pipelines.encode(pass, bound, { size, gridOf });
  }
}
