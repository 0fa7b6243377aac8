import type { RepackRule } from "../codec/repack.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { KvRepackGreedyKernel } from "../kernels/kv_repack/greedy.ts";
import { KvRepackMedianKernel } from "../kernels/kv_repack/median.ts";

/** The kernel of a repacking rule; null where tokens keep their order. FORMAT.md section 3. */
export async function createRepack(
  gpu: Gpu,
  rule: RepackRule,
  options: Parameters<typeof KvRepackGreedyKernel.create>[1],
): Promise<KvRepackMedianKernel | KvRepackGreedyKernel | null> {
  switch (rule) {
    case "none":
      return null;
    case "median":
      return await KvRepackMedianKernel.create(gpu, options);
    case "greedy":
      return await KvRepackGreedyKernel.create(gpu, options);
  }
}
