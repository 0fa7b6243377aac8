import type { Gpu } from "../gpu/gpu.ts";
import { NormAddKernel } from "../kernels/norm_add/row.ts";

/** Kernels that norm and add what a part of a layer gives, with a factor behind it or without. */
export class NormAddSet {
  #gpu: Gpu;
  #options: { width: number; epsilon: number };
  #kernels = new Map<boolean, Promise<NormAddKernel>>();

  /** @param options As {@link NormAddKernel.create} has them. */
  constructor(gpu: Gpu, options: { width: number; epsilon: number }) {
    this.#gpu = gpu;
    this.#options = options;
  }

  /** The kernel, compiled if it is new. */
  get(hasFactor: boolean): Promise<NormAddKernel> {
    const known = this.#kernels.get(hasFactor);
    if (known) return known;
    const kernel = NormAddKernel.create(this.#gpu, { ...this.#options, hasFactor });
    this.#kernels.set(hasFactor, kernel);
    return kernel;
  }
}
