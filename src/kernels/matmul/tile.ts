import source from "../../../shaders/matmul/tile.wgsl" with { type: "text" };
import { divCeil } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { constantsPart, expandTemplate } from "../../gpu/wgsl_template.ts";
import { WEIGHT_FORMATS, type WeightFormat } from "../weight_formats.ts";
import {
  type BoundMatmul,
  type Matmul,
  type MatmulBuffers,
  type MatmulOptions,
  MatmulPipelines,
} from "./product.ts";
import { sliceTiles, TILE_ROW_COUNTS } from "./row_counts.ts";

/** Threads of a workgroup. */
export const TILE_THREAD_COUNT = 256;

/** Bytes of workgroup memory: 64 rows of 32 columns, of the weight and of x. */
export const TILE_MEMORY_BYTES = 2 * 64 * 32 * 4;

/** Quads of outputs of a row of a tile, and vectors of a row of x. */
const [TILE_QUAD_COUNT, TILE_PART_COUNT] = [16, 8];

/** The product for the rows of a slice: a row has the same bits in any slice. */
export class MatmulTileKernel implements Matmul {
  #pipelines: MatmulPipelines;

  private constructor(pipelines: MatmulPipelines) {
    this.#pipelines = pipelines;
  }

  /**
   * Compiles for weights of one shape and format.
   *
   * @throws {RangeError} If the heads do not make up the rows of the weight.
   */
  static async create(gpu: Gpu, options: MatmulOptions): Promise<MatmulTileKernel> {
    const pipelines = await MatmulPipelines.create(gpu, options, {
      rowCounts: TILE_ROW_COUNTS,
      textOf: tileText,
      constantsOf: (groupCount) => ({ GROUP_COUNT: groupCount }),
    });
    return new MatmulTileKernel(pipelines);
  }

  bind(buffers: MatmulBuffers): BoundMatmul {
    return this.#pipelines.bind(buffers);
  }

  /** Rows are computed up to a multiple of 16 or 64, as far as there is room in `x`. */
  encode(pass: GPUComputePassEncoder, bound: BoundMatmul, rowCount: number): void {
    this.#pipelines.encode(pass, bound, sliceTiles(rowCount));
  }
}

function tileText(rowCount: number, format: WeightFormat): string {
  const text = expandTemplate(source, {
    token: rowCount / 8,
    load: divCeil(rowCount * TILE_PART_COUNT, TILE_THREAD_COUNT),
    item: rowCount * TILE_QUAD_COUNT / TILE_THREAD_COUNT,
    output: 4,
    quad: 2,
    part: TILE_PART_COUNT,
  });
  return [text, constantsPart({ TOKEN_COUNT: rowCount }), WEIGHT_FORMATS[format].text].join("\n");
}
