import type { Gpu } from "../gpu/gpu.ts";
import { type BundleRoom, TILE_ROOM } from "../kernels/expert_bundles.ts";
import type { ExpertMatmul, ExpertMatmulOptions } from "../kernels/expert_matmul/product.ts";
import { ExpertMatmulKernel } from "../kernels/expert_matmul/rows.ts";
import { ExpertMatmulTileKernel } from "../kernels/expert_matmul/tile.ts";
import { ExpertRouteKernel, type ExpertRouteOptions } from "../kernels/expert_route/rows.ts";
import { ExpertSumKernel, type ExpertSumOptions } from "../kernels/expert_sum/row.ts";

/** Kernels of experts compiled so far, one for each shape, format and use. */
export class ExpertSet {
  #gpu: Gpu;
  #routes = new Map<string, Promise<ExpertRouteKernel>>();
  #matmuls = new Map<string, Promise<ExpertMatmul>>();
  #sums = new Map<string, Promise<ExpertSumKernel>>();

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Compiled if it is new, as below. */
  route(options: ExpertRouteOptions): Promise<ExpertRouteKernel> {
    return known(this.#routes, options, () => ExpertRouteKernel.create(this.#gpu, options));
  }

  /** @param options `room`: of the bundles that it is given. */
  matmul(options: ExpertMatmulOptions & { room: BundleRoom }): Promise<ExpertMatmul> {
    const { weights: { format, expertCount, rowCount, columnCount, parts }, ...rest } = options;
    const kind = options.room === TILE_ROOM ? ExpertMatmulTileKernel : ExpertMatmulKernel;
    const starts = parts.map(({ expertStart }) => expertStart);
    const key = [format, expertCount, rowCount, columnCount, starts, rest];
    return known(this.#matmuls, key, () => kind.create(this.#gpu, options));
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
