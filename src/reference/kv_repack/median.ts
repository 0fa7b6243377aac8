import type { PaperLayout } from "../../codec/paper/layout.ts";
import { repackOrder } from "../../codec/repack.ts";
import { type PackJob, scratchBlock } from "../../codec/scratch.ts";

/** Reference of `shaders/kv_repack/median.wgsl`: u32 `[job][layer][64]`. */
export function kvRepackMedianReference(
  layout: PaperLayout,
  scratch: { codes: Uint8Array; params: Uint32Array },
  input: { jobs: readonly PackJob[]; layerCount: number },
): Uint32Array {
  const { jobs, layerCount } = input;
  const order = new Uint32Array(jobs.length * layerCount * 64);
  for (const [index, { tokenCount }] of jobs.entries()) {
    for (let layer = 0; layer < layerCount; layer++) {
      const entry = index * layerCount + layer;
      const block = scratchBlock(layout, scratch, { entry, tokenCount });
      order.set(repackOrder("median", block, layout.packSize), entry * 64);
    }
  }
  return order;
}
