import { describeBlock } from "../../codec/deltakv/describe.ts";
import type { DeltaKvLayout } from "../../codec/deltakv/layout.ts";
import { KEY, VALUE } from "../../codec/record.ts";
import { scratchBlock, sideCodeWords } from "../../codec/scratch.ts";
import { BLOCK_TOKEN_COUNT, WORD_SIZE_BYTES } from "../../core/shapes.ts";

/** What describing blocks makes of scratch; layouts in `codec/scratch.ts`. */
export interface DescribedScratch {
  codes: Uint8Array;
  order: Uint32Array;
  sizes: Uint32Array;
  /** u32 `[jobs][storeCount][layout.headWords(true)]`. */
  heads: Uint32Array;
}

/** Reference of `kv_describe/deltakv`: all stores of all jobs. */
export function kvDescribeDeltaKvReference(
  layout: DeltaKvLayout,
  scratch: { codes: Uint8Array; params: Uint32Array },
  /** `turnWords` by store. */
  { jobCount, turns }: { jobCount: number; turns: readonly Uint32Array[] },
): DescribedScratch {
  const { sectionCount } = layout.paper;
  const entryCount = jobCount * turns.length;
  const sideBytes = sideCodeWords(layout) * WORD_SIZE_BYTES;
  const codes = scratch.codes.slice();
  const order = new Uint32Array(entryCount * BLOCK_TOKEN_COUNT);
  const sizes = new Uint32Array(entryCount * sectionCount);
  const heads = new Uint32Array(entryCount * layout.headWords(true));
  for (let entry = 0; entry < entryCount; entry++) {
    const block = scratchBlock(layout, scratch, { entry, tokenCount: BLOCK_TOKEN_COUNT });
    const described = describeBlock(layout, block, turns[entry % turns.length]);
    for (const side of [KEY, VALUE]) {
      codes.set(described.block.sides[side].codes, (2 * entry + side) * sideBytes);
    }
    order.set(described.order, entry * BLOCK_TOKEN_COUNT);
    sizes.set(described.sizes, entry * sectionCount);
    heads.set(described.head, entry * layout.headWords(true));
  }
  return { codes, order, sizes, heads };
}
