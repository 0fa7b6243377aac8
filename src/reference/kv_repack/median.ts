import type { PaperLayout } from "../../codec/paper/layout.ts";
import { repackOrder } from "../../codec/repack.ts";
import { type PackJob, scratchBlock } from "../../codec/scratch.ts";

/** Reference of `shaders/kv_repack/median.wgsl`: u32 `[job][store][64]`. */
export function kvRepackMedianReference(
  layout: PaperLayout,
  scratch: { codes: Uint8Array; params: Uint32Array },
  input: { jobs: readonly PackJob[]; storeCount: number },
): Uint32Array {
  const { jobs, storeCount } = input;
  const order = new Uint32Array(jobs.length * storeCount * 64);
  for (const [index, { tokenCount }] of jobs.entries()) {
    for (let store = 0; store < storeCount; store++) {
      const entry = index * storeCount + store;
      const block = scratchBlock(layout, scratch, { entry, tokenCount });
      order.set(repackOrder("median", block, layout.packSize), entry * 64);
    }
  }
  return order;
}
