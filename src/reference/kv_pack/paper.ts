import type { PaperLayout } from "../../codec/paper/layout.ts";
import { packPaper } from "../../codec/paper/pack.ts";
import { type PackJob, scratchBlock } from "../../codec/scratch.ts";

/** Reference of `shaders/kv_pack/paper.wgsl`: writes the records of all stores into `arena`. */
export function kvPackPaperReference(
  layout: PaperLayout,
  scratch: { codes: Uint8Array; params: Uint32Array; order: Uint32Array },
  input: { jobs: readonly PackJob[]; storeCount: number; targets: Uint32Array },
  arena: Uint32Array,
): void {
  const { jobs, storeCount, targets } = input;
  for (const [index, { tokenCount, scratchIndex }] of jobs.entries()) {
    for (let store = 0; store < storeCount; store++) {
      const entry = scratchIndex * storeCount + store;
      const block = scratchBlock(layout, scratch, { entry, tokenCount });
      const order = scratch.order.subarray(entry * 64, entry * 64 + 64);
      arena.set(packPaper(layout, block, order), targets[index * storeCount + store]);
    }
  }
}
