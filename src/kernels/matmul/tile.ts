import source from "../../../shaders/matmul/tile.wgsl" with { type: "text" };
import { divCeil } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { constantsPart, expandTemplate } from "../../gpu/wgsl_template.ts";
import { WEIGHT_FORMATS, type WeightFormat } from "../weight_formats.ts";
import type { WeightFormatSpec } from "../weight_formats/spec.ts";
import { MATMUL_SCALE_TEXT } from "./parts.ts";
import {
  type BoundMatmul,
  type Matmul,
  type MatmulBuffers,
  type MatmulOptions,
  MatmulPipelines,
} from "./product.ts";
import { sliceTiles, type TileRowCount, tileRowCounts } from "./row_counts.ts";

/** Threads of a workgroup. */
export const TILE_THREAD_COUNT = 256;

/** Bytes of workgroup memory: 64 rows of 32 columns, of the weight and of x. */
export const TILE_MEMORY_BYTES = 2 * 64 * 32 * 4;

/** Quads of outputs of a row of a tile, and vectors of a row of x. */
const [TILE_QUAD_COUNT, TILE_PART_COUNT] = [16, 8];

/** How slices are cut. */
export interface TileOptions {
  tileRowCount?: TileRowCount;
}

/** The product for the rows of a slice: a row has the same bits in any slice. */
export class MatmulTileKernel implements Matmul {
  #pipelines: MatmulPipelines;
  #most: TileRowCount;

  private constructor(pipelines: MatmulPipelines, most: TileRowCount) {
    this.#pipelines = pipelines;
    this.#most = most;
  }

  /**
   * Compiles for weights of one shape and format.
   *
   * @param options `tileRowCount`: most rows of a tile, 64 if left out; bits do not depend on it.
   * @throws {RangeError} If the heads do not make up the rows of the weight.
   */
  static async create(
    gpu: Gpu,
    { tileRowCount = 64, ...options }: MatmulOptions & TileOptions,
  ): Promise<MatmulTileKernel> {
    const pipelines = await MatmulPipelines.create(gpu, options, {
      rowCounts: tileRowCounts(tileRowCount),
      textOf: tileText,
      constantsOf: (groupCount) => ({ GROUP_COUNT: groupCount }),
    });
    return new MatmulTileKernel(pipelines, tileRowCount);
  }

  bind(buffers: MatmulBuffers): BoundMatmul {
    return this.#pipelines.bind(buffers);
  }

  /** Rows are computed up to a multiple of those of a tile, as far as there is room in `x`. */
  encode(pass: GPUComputePassEncoder, bound: BoundMatmul, rowCount: number): void {
    this.#pipelines.encode(pass, bound, sliceTiles(rowCount, this.#most));
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
  const spec: WeightFormatSpec = WEIGHT_FORMATS[format];
  return [
    text,
    constantsPart({ TOKEN_COUNT: rowCount }),
    spec.text,
    ...(spec.hasOutputScales ? [] : [MATMUL_SCALE_TEXT]),
  ].join("\n");
}
