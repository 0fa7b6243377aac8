import type { Gpu } from "../gpu/gpu.ts";
import { FinishHeadsKernel } from "../kernels/finish_heads/head.ts";
import type { HeadNormPlan, ModelPlan } from "./plan.ts";

/** Kernels that finish heads compiled so far, one for each kind of norm. */
export class FinishHeadsSet {
  #gpu: Gpu;
  #plan: ModelPlan;
  #kernels = new Map<HeadNormPlan["over"] | null, Promise<FinishHeadsKernel>>();

  constructor(gpu: Gpu, plan: ModelPlan) {
    this.#gpu = gpu;
    this.#plan = plan;
  }

  /** The kernel for a norm over `over`, or none; compiled if it is new. */
  get(over: HeadNormPlan["over"] | null): Promise<FinishHeadsKernel> {
    const known = this.#kernels.get(over);
    if (known) return known;
    const { shape: { queryHeadCount, kvHeadCount, headSize }, normEpsilon: epsilon } = this.#plan;
    const norm = over === null ? null : { over, epsilon };
    const options = { queryHeadCount, kvHeadCount, headSize, norm };
    const kernel = FinishHeadsKernel.create(this.#gpu, options);
    this.#kernels.set(over, kernel);
    return kernel;
  }
}
