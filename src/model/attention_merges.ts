import type { Gpu } from "../gpu/gpu.ts";
import { AttentionMergeKernel } from "../kernels/attention_merge/head.ts";
import type { SplitShape } from "../kernels/text/attention.ts";
import type { AttentionOptions } from "./attention_splits.ts";
import type { RecordRows } from "./layer_context.ts";

/** What joins the partial results of each layer, with the learned sinks that it may have. */
export async function createMerges(
  gpu: Gpu,
  { shape, group, weights }: Pick<AttentionOptions, "shape" | "group" | "weights">,
  { splits, partials }: { splits: SplitShape; partials: GPUBuffer },
): Promise<RecordRows[]> {
  const kernels = new Map<boolean, AttentionMergeKernel>();
  for (const { attentionSinks } of weights.layers) {
    const hasSinks = attentionSinks !== null;
    if (kernels.has(hasSinks)) continue;
    kernels.set(hasSinks, await AttentionMergeKernel.create(gpu, { shape, splits, hasSinks }));
  }
  return weights.layers.map(({ attentionSinks }, layer) => {
    const kernel = kernels.get(attentionSinks !== null)!;
    const bound = kernel.bind({
      rows: group.rowsIn(group.reachOf(layer)),
      partials,
      out: group.attended,
      ...(attentionSinks === null ? {} : { sinks: attentionSinks }),
    });
    return (pass, rowCount) => kernel.record(pass, bound, rowCount);
  });
}
