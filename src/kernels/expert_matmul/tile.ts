import source from "../../../shaders/expert_matmul/tile.wgsl" with { type: "text" };
import { divCeil, WORD_SIZE_BYTES } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { expandTemplate } from "../../gpu/wgsl_template.ts";
import { bundleCountMax, TILE_ROOM } from "../expert_bundles.ts";
import { WEIGHT_FORMATS } from "../weight_formats.ts";
import { GROUP_ROW_COUNT } from "../weight_layout.ts";
import {
  type BoundExpertMatmul,
  type ExpertMatmul,
  type ExpertMatmulBuffers,
  type ExpertMatmulOptions,
  ExpertPipelines,
} from "./product.ts";

/** Bytes of workgroup memory: 16 rows of x of 128 columns, and a factor of each. */
export const EXPERT_TILE_MEMORY_BYTES: number = TILE_ROOM * (128 + 1) * WORD_SIZE_BYTES;

/** Groups of 32 outputs of a workgroup. */
const GROUP_COUNT = 4;

/** How often the markers of the text stand. */
const COUNTS = { load: 4, four: TILE_ROOM / 4, row: 4, output: 4, half: 2, quarter: 4 };

/** The same for all formats. */
const TEXT = expandTemplate(source, COUNTS);

/** The product for the rows of a slice: a row has the same bits in any slice. */
export class ExpertMatmulTileKernel implements ExpertMatmul {
  #options: ExpertMatmulOptions;
  #pipelines: ExpertPipelines;

  private constructor(options: ExpertMatmulOptions, pipelines: ExpertPipelines) {
    this.#options = options;
    this.#pipelines = pipelines;
  }

  /** Compiles for weights of one shape and format. */
  static async create(gpu: Gpu, options: ExpertMatmulOptions): Promise<ExpertMatmulTileKernel> {
    const { text } = WEIGHT_FORMATS[options.weights.format];
    const pipelines = await ExpertPipelines.create(gpu, options, {
      sizes: [TILE_ROOM],
      room: TILE_ROOM,
      textOf: () => [TEXT, text].join("\n"),
      constants: {},
    });
    return new ExpertMatmulTileKernel(options, pipelines);
  }

  bind(buffers: ExpertMatmulBuffers): BoundExpertMatmul {
    return this.#pipelines.bind(buffers);
  }

  encode(pass: GPUComputePassEncoder, bound: BoundExpertMatmul, rowCount: number): void {
    const { weights: { rowCount: outputCount, expertCount }, usedCount } = this.#options;
    const bundleCount = bundleCountMax({ expertCount, usedCount, room: TILE_ROOM }, rowCount);
    const grid: [number, number] = [
      bundleCount,
      divCeil(outputCount, GROUP_COUNT * GROUP_ROW_COUNT),
    ];
    this.#pipelines.encode(pass, bound, { size: 0, grid });
  }
}
