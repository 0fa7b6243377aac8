import type { Gpu } from "../gpu/gpu.ts";
import { AttentionMergeKernel } from "../kernels/attention_merge/head.ts";
import type { SplitShape } from "../kernels/text/attention.ts";
import type { AttentionOptions } from "./attention_splits.ts";
import type { RecordRows } from "./layer_context.ts";

/** What joins the partial results of each layer, with the learned sinks that it may have. */
export async function createMerges(
  gpu: Gpu,
  { shapes, group, weights, wanted }: Pick<
    AttentionOptions,
    "shapes" | "group" | "weights" | "wanted"
  >,
  { splits, partials, rowsOf = (layer) => group.rowsOf(layer) }: {
    splits: SplitShape;
    partials: GPUBuffer;
    /** The rows as a layer reads them. */
    rowsOf?: (layer: number) => GPUBuffer;
  },
): Promise<RecordRows[]> {
  const kernels = new Map<string, AttentionMergeKernel>();
  const kept = wanted === undefined ? {} : { wanted };
  const merges: RecordRows[] = [];
  for (const [layer, { attentionSinks }] of weights.layers.entries()) {
    const options = { shape: shapes[layer], splits, hasSinks: attentionSinks !== null, ...kept };
    const key = JSON.stringify(options);
    const kernel = kernels.get(key) ?? await AttentionMergeKernel.create(gpu, options);
    kernels.set(key, kernel);
    const bound = kernel.bind({
      rows: rowsOf(layer),
      partials,
      out: group.attended,
      ...(attentionSinks === null ? {} : { sinks: attentionSinks }),
    });
    merges.push((pass, rowCount) => kernel.encode(pass, bound, rowCount));
  }
  return merges;
}
