import type { Gpu } from "../gpu/gpu.ts";
import { MatmulKernel, type MatmulOutput } from "../kernels/matmul/rows.ts";
import type { DeviceWeights } from "../kernels/weight_layout.ts";

/** Matrix kernels compiled so far, one for each shape, format and use. */
export class MatmulSet {
  #gpu: Gpu;
  #normEpsilon: number;
  #kernels = new Map<string, Promise<MatmulKernel>>();

  constructor(gpu: Gpu, options: { normEpsilon: number }) {
    this.#gpu = gpu;
    this.#normEpsilon = options.normEpsilon;
  }

  /** The kernel for `weights`, compiled if it is new. */
  get(
    weights: DeviceWeights,
    output: MatmulOutput,
    options: { hasNorm: boolean },
  ): Promise<MatmulKernel> {
    const { rowCount, columnCount, parts } = weights;
    const starts = parts.map(({ format, rowStart }) => [format, rowStart]);
    const key = JSON.stringify([rowCount, columnCount, starts, output, options.hasNorm]);
    const known = this.#kernels.get(key);
    if (known) return known;
    const norm = options.hasNorm ? { normEpsilon: this.#normEpsilon } : {};
    const kernel = MatmulKernel.create(this.#gpu, { weights, output, ...norm });
    this.#kernels.set(key, kernel);
    return kernel;
  }
}
