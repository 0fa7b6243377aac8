import type { Gpu } from "../gpu/gpu.ts";
import { FinishHeadsKernel } from "../kernels/finish_heads/head.ts";
import { ownKvHeadCount } from "./head_rows.ts";
import type { AttentionPlan, ModelPlan } from "./plan.ts";

/** Kernels that finish heads compiled so far, one for each kind of head. */
export class FinishHeadsSet {
  #gpu: Gpu;
  #plan: ModelPlan;
  #kernels = new Map<string, Promise<FinishHeadsKernel>>();

  constructor(gpu: Gpu, plan: ModelPlan) {
    this.#gpu = gpu;
    this.#plan = plan;
  }

  /**
   * The kernel for the heads of a layer, and a window of `tileCount` tiles a slot; compiled if it
   * is new.
   */
  get(attention: AttentionPlan, tileCount: number): Promise<FinishHeadsKernel> {
    const { normEpsilon: epsilon } = this.#plan;
    const { queryNorm, normsValues, temperature, headShape } = attention;
    const over = queryNorm?.over ?? null;
    const options = {
      ...headShape,
      kvHeadCount: ownKvHeadCount(attention),
      norm: over === null ? null : { over, epsilon },
      valueEpsilon: normsValues ? epsilon : null,
      temperature,
      tileCount,
    };
    const key = JSON.stringify(options);
    const known = this.#kernels.get(key);
    if (known) return known;
    const kernel = FinishHeadsKernel.create(this.#gpu, options);
    this.#kernels.set(key, kernel);
    return kernel;
  }
}
