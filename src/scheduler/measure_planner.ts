/**
 * Which blocks a step quantises and measures.
 *
 * @module
 */

import type { BlockCache } from "./block_cache.ts";
import type { Sequence } from "./sequence.ts";
import type { MeasureOp } from "./step_plan.ts";

/** Blocks that the planned tokens complete, but those that are dropped or in the cache already. */
export function planMeasures(running: readonly Sequence[], cache: BlockCache): MeasureOp[] {
  return running.flatMap((sequence) => {
    const { request: { sequenceId }, slot } = sequence;
    return sequence.takeMeasures().flatMap((blockIndex) => {
      if (!sequence.keeps(blockIndex)) {
        sequence.ready.push({ blockIndex, isDropped: true });
        return [];
      }
      const key = sequence.keyOf(blockIndex, "sealed");
      const item = key === null ? undefined : cache.find(key);
      if (item === undefined) return [{ sequenceId, slot, blockIndex }];
      cache.acquire(item);
      sequence.ready.push({ blockIndex, item });
      return [];
    });
  });
}

/** The next block of each sequence that is made of what stays of its prompt. */
export function planGathers(running: readonly Sequence[]): MeasureOp[] {
  return running.flatMap(({ request: { sequenceId }, slot, keeping, blocks, ready }) => {
    const next = ready.length > 0 ? null : keeping?.takeGather(blocks) ?? null;
    return next === null ? [] : [{ sequenceId, slot, blockIndex: next.index, gather: next.gather }];
  });
}
