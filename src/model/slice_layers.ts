import type { BufferSlice, Gpu } from "../gpu/gpu.ts";
import { AttentionPrefillKernel } from "../kernels/attention_prefill/raw.ts";
import type { SplitShape } from "../kernels/text/attention.ts";
import { createMerges } from "./attention_merges.ts";
import { type AttentionOptions, byWindow } from "./attention_splits.ts";
import type { RecordRows } from "./layer_context.ts";

/** What a layer runs for slices beside its reader of sealed blocks. */
export interface SliceLayer {
  window: AttentionPrefillKernel;
  /** By slice. */
  boundWindow: readonly GPUBindGroup[];
  merge: RecordRows;
}

/** Those of all layers, for slices of the group's rows. */
export async function sliceLayers(
  gpu: Gpu,
  options: AttentionOptions,
  { splits, partials, slices }: {
    splits: SplitShape;
    partials: GPUBuffer;
    slices: readonly (GPUBuffer | BufferSlice)[];
  },
): Promise<SliceLayer[]> {
  const { cache, group } = options;
  const { q } = group;
  const windows = await byWindow(
    options,
    (kind) => AttentionPrefillKernel.create(gpu, { ...kind, splits, source: "window" }),
  );
  const merges = await createMerges(gpu, options, { splits, partials });
  return windows.map((window, layer) => {
    const [rows, tiles] = [group.rowsOf(layer), cache.windowOf(layer)];
    return {
      window,
      boundWindow: slices.map((slice) => window.bind({ q, rows, slice, tiles, partials })),
      merge: merges[layer],
    };
  });
}
