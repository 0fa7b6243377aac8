import type { BandedLayout } from "../../codec/banded/layout.ts";
import { type BandedSource, measureBanded } from "../../codec/banded/pack.ts";
import type { BandedTables } from "../../codec/banded/tables.ts";
import { scratchBlock } from "../../codec/scratch.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { BandedJob, BandedScratch } from "../kv_quantise/banded.ts";

/** Reference of `shaders/kv_measure/banded.wgsl`: u32 `[job][store][section]`. */
export function kvMeasureBandedReference(
  layout: BandedLayout,
  scratch: Pick<BandedScratch, "codes" | "params">,
  input: { jobs: readonly Pick<BandedJob, "firstToken">[]; tables: readonly BandedTables[] },
): Uint32Array {
  const { jobs, tables } = input;
  const sizes = new Uint32Array(jobs.length * tables.length * layout.sectionCount);
  for (const [index, { firstToken }] of jobs.entries()) {
    for (let store = 0; store < tables.length; store++) {
      const entry = index * tables.length + store;
      const source = bandedSource(layout, scratch, { entry, firstToken, tables: tables[store] });
      sizes.set(measureBanded(layout, source), entry * layout.sectionCount);
    }
  }
  return sizes;
}

/** One store of one job of the scratch buffers; `entry` is `job * storeCount + store`. */
export function bandedSource(
  layout: BandedLayout,
  scratch: Pick<BandedScratch, "codes" | "params">,
  at: { entry: number; firstToken: number; packedCount?: number; tables: BandedTables },
): BandedSource {
  const { entry, firstToken, tables } = at;
  const tokenCount = at.packedCount ?? BLOCK_TOKEN_COUNT - firstToken;
  const block = scratchBlock(layout, scratch, { entry, tokenCount });
  return { block, tables };
}
