import type { PaperLayout } from "../../codec/paper/layout.ts";
import { measurePaper } from "../../codec/paper/pack.ts";
import { type PackJob, scratchBlock } from "../../codec/scratch.ts";

/** Reference of `shaders/kv_measure/paper.wgsl`: u32 `[job][store][section]`. */
export function kvMeasurePaperReference(
  layout: PaperLayout,
  scratch: { codes: Uint8Array; params: Uint32Array; order: Uint32Array },
  input: { jobs: readonly PackJob[]; storeCount: number },
): Uint32Array {
  const { jobs, storeCount } = input;
  const sizes = new Uint32Array(jobs.length * storeCount * layout.sectionCount);
  for (let entry = 0; entry < jobs.length * storeCount; entry++) {
    const { tokenCount } = jobs[Math.floor(entry / storeCount)];
    const block = scratchBlock(layout, scratch, { entry, tokenCount });
    const order = scratch.order.subarray(entry * 64, entry * 64 + 64);
    sizes.set(measurePaper(layout, block, order), entry * layout.sectionCount);
  }
  return sizes;
}
