import type { Gpu } from "../gpu/gpu.ts";
import { FinishLatentKernel, type FinishLatentOptions } from "../kernels/finish_latent/row.ts";
import type { ModelPlan } from "./plan.ts";

/** Kernels that finish latents compiled so far, one for each kind of layer. */
export class FinishLatentSet {
  #gpu: Gpu;
  #kernels = new Map<string, Promise<FinishLatentKernel>>();

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** The kernel for a layer, and a window of `tileCount` tiles a slot; compiled if it is new. */
  get(
    { layers, normEpsilon }: Pick<ModelPlan, "layers" | "normEpsilon">,
    { layer, tileCount }: { layer: number; tileCount: number },
  ): Promise<FinishLatentKernel> {
    const { headShape, latent, keyValueLayer, scale } = layers[layer].attention;
    if (latent === null) throw new TypeError(`layer ${layer} keeps keys and values`);
    const { queryHeadCount, headSize } = headShape;
    const options: FinishLatentOptions = {
      queryHeadCount,
      headSize,
      rank: latent.rank,
      turnedSize: latent.turnedSize,
      // Attention divides by the root of the channels of a key.
      scale: scale * Math.sqrt(headSize),
      epsilon: normEpsilon,
      makesLatent: keyValueLayer === layer,
      tileCount,
    };
    const key = JSON.stringify(options);
    const kernel = this.#kernels.get(key) ?? FinishLatentKernel.create(this.#gpu, options);
    this.#kernels.set(key, kernel);
    return kernel;
  }
}
