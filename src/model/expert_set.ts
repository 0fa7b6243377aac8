import type { Gpu } from "../gpu/gpu.ts";
import { type BundleRoom, TILE_ROOM } from "../kernels/expert_bundles.ts";
import { isOfCodes, type ProductScratch } from "../kernels/matmul/code_inputs.ts";
import { ExpertMatmulCodesKernel } from "../kernels/expert_matmul/codes.ts";
import { ExpertMatmulCodesTileKernel } from "../kernels/expert_matmul/codes_tile.ts";
import type { ExpertMatmul, ExpertMatmulOptions } from "../kernels/expert_matmul/product.ts";
import { ExpertMatmulKernel } from "../kernels/expert_matmul/rows.ts";
import { ExpertMatmulTileKernel } from "../kernels/expert_matmul/tile.ts";
import { ExpertRouteKernel, type ExpertRouteOptions } from "../kernels/expert_route/rows.ts";
import { ExpertSumKernel, type ExpertSumOptions } from "../kernels/expert_sum/row.ts";
import type { ProductMath } from "./product_math.ts";

/** A product with experts, and how its rows come. */
export interface ExpertUse extends ExpertMatmulOptions {
  /** Of the bundles that it is given. */
  room: BundleRoom;
  /** Whether it is made in f32 whatever the others are. */
  isExact?: boolean;
}

/** Kernels of experts compiled so far, one for each shape, format and use. */
export class ExpertSet {
  #gpu: Gpu;
  #routes = new Map<string, Promise<ExpertRouteKernel>>();
  #matmuls = new Map<string, Promise<ExpertMatmul>>();
  #sums = new Map<string, Promise<ExpertSumKernel>>();
  #math: ProductMath;
  #scratch: ProductScratch;

  /** @param options `scratch`: shared with other products of the step. */
  constructor(gpu: Gpu, options: { math: ProductMath; scratch: ProductScratch }) {
    this.#gpu = gpu;
    this.#math = options.math;
    this.#scratch = options.scratch;
  }

  /** Compiled if it is new, as below. */
  route(options: ExpertRouteOptions): Promise<ExpertRouteKernel> {
    return known(this.#routes, options, () => ExpertRouteKernel.create(this.#gpu, options));
  }

  /** Likewise. */
  matmul({ room, isExact = false, ...options }: ExpertUse): Promise<ExpertMatmul> {
    const { weights: { format, expertCount, rowCount, columnCount, parts }, ...rest } = options;
    const hasCodes = this.#math !== "f32" && !isExact && isOfCodes(format);
    const starts = parts.map(({ expertStart }) => expertStart);
    const key = [format, expertCount, rowCount, columnCount, starts, rest, room, hasCodes];
    return known(this.#matmuls, key, () => {
      const isTile = room === TILE_ROOM;
      if (hasCodes) {
        const kind = isTile ? ExpertMatmulCodesTileKernel : ExpertMatmulCodesKernel;
        return kind.create(this.#gpu, { ...options, scratch: this.#scratch });
      }
      const kind = isTile ? ExpertMatmulTileKernel : ExpertMatmulKernel;
      return kind.create(this.#gpu, options);
    });
  }

  sum(options: ExpertSumOptions): Promise<ExpertSumKernel> {
    return known(this.#sums, options, () => ExpertSumKernel.create(this.#gpu, options));
  }
}

function known<T>(kernels: Map<string, Promise<T>>, key: unknown, make: () => Promise<T>) {
  const text = JSON.stringify(key);
  const kernel = kernels.get(text) ?? make();
  kernels.set(text, kernel);
  return kernel;
}
