import source from "../../../shaders/expert_route/rows.wgsl" with { type: "text" };
import { invariant } from "../../core/errors.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import type { ExpertCounts } from "../expert_bundles.ts";
import { type ExpertBundlesBuffers, ExpertBundlesKernel } from "./bundles.ts";

/** How scores become shares: shaders/expert_route/rows.wgsl. */
export type ShareKind = "softmax of used" | "softmax of all" | "sigmoid" | "sigmoid by sum";

const SHARE_CONSTANTS: Readonly<Record<ShareKind, { IS_SIGMOID: number; DIVIDES_BY: number }>> = {
  "softmax of used": { IS_SIGMOID: 0, DIVIDES_BY: 1 },
  "softmax of all": { IS_SIGMOID: 0, DIVIDES_BY: 2 },
  "sigmoid": { IS_SIGMOID: 1, DIVIDES_BY: 0 },
  "sigmoid by sum": { IS_SIGMOID: 1, DIVIDES_BY: 1 },
};

/** Groups of neighbouring experts, equal in number, of which a row may choose among some. */
export interface ExpertGroups {
  /** 2 to {@link EXPERT_GROUP_MAX}, of two experts or more each. */
  count: number;
  /** Groups that a row chooses of. */
  usedCount: number;
}

/** Most groups: models have 8. */
export const EXPERT_GROUP_MAX = 32;

/** What an {@link ExpertRouteKernel} is compiled for. */
export interface ExpertRouteOptions extends ExpertCounts {
  /** Factor of all shares; 1 if left out. */
  shareScale?: number;
  /** `softmax of used` if left out. */
  shares?: ShareKind;
  /** None if left out. */
  groups?: ExpertGroups | null;
}

/** Buffers of one use of an {@link ExpertRouteKernel}. */
export interface ExpertRouteBuffers extends ExpertBundlesBuffers {
  /** f32 `[rows, expertCount]`. */
  logits: GPUBuffer | BufferSlice;
  /** f32 `[expertCount]`, added to the logits, or to logistic functions of them to choose by. */
  biases: GPUBuffer | BufferSlice;
  /** f32 `[rows, usedCount]`: what each chosen expert counts for. */
  shares: GPUBuffer | BufferSlice;
}

/** Bind groups of one use: for choosing, and for grouping. */
export type BoundExpertRoute = readonly [chosen: GPUBindGroup, bundled: GPUBindGroup];

/** Threads that choose for a row: most models have some dozens of experts. */
const ROW_THREAD_COUNT = 64;

/** Chooses the experts of each row, and groups rows by expert. */
export class ExpertRouteKernel {
  #choosing: Kernel;
  #bundling: ExpertBundlesKernel;

  private constructor(choosing: Kernel, bundling: ExpertBundlesKernel) {
    this.#choosing = choosing;
    this.#bundling = bundling;
  }

  /** Compiles for a number of experts. */
  static async create(gpu: Gpu, options: ExpertRouteOptions): Promise<ExpertRouteKernel> {
    const { expertCount, usedCount, shareScale = 1, shares = "softmax of used" } = options;
    const { count, usedCount: usedGroupCount } = options.groups ?? { count: 1, usedCount: 1 };
    const groupSize = expertCount / count;
    invariant(usedCount <= usedGroupCount * groupSize, "a row goes through different experts");
    invariant(Number.isInteger(groupSize) && count <= EXPERT_GROUP_MAX, "groups are equal and few");
    const choosing = await Kernel.create(gpu, {
      label: "expert_route rows",
      code: source,
      constants: {
        EXPERT_COUNT: expertCount,
        USED_COUNT: usedCount,
        SHARE_SCALE: shareScale,
        ...SHARE_CONSTANTS[shares],
        GROUP_COUNT: count,
        GROUP_USED_COUNT: usedGroupCount,
        WORKGROUP_SIZE: ROW_THREAD_COUNT,
      },
    });
    return new ExpertRouteKernel(choosing, await ExpertBundlesKernel.create(gpu, options));
  }

  /** Binds buffers. */
  bind({ logits, biases, choices, shares, bundles }: ExpertRouteBuffers): BoundExpertRoute {
    return [
      this.#choosing.bind({ logits, biases, choices, shares }),
      this.#bundling.bind({ choices, bundles }),
    ];
  }

  /** Encodes `rowCount` rows. */
  encode(pass: GPUComputePassEncoder, bound: BoundExpertRoute, rowCount: number): void {
    const [chosen, bundled] = bound;
    this.#choosing.dispatch(pass, chosen, rowCount);
    this.#bundling.encode(pass, bundled, rowCount);
  }
}
