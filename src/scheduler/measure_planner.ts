/**
 * Which blocks a step quantises and measures.
 *
 * @module
 */

import type { BlockCache } from "./block_cache.ts";
import type { ItemKind } from "./block_key.ts";
import type { Sequence } from "./sequence.ts";
import type { MeasureOp } from "./step_plan.ts";

/** Blocks that the planned tokens complete, but those that are dropped or in the cache already. */
export function planMeasures(running: readonly Sequence[], cache: BlockCache): MeasureOp[] {
  return running.flatMap((sequence) => {
    const { request: { sequenceId }, slot, near: { isKept: hasNear } } = sequence;
    return sequence.takeMeasures().flatMap((blockIndex) => {
      const find = (kind: ItemKind, isWanted: boolean) => {
        const key = isWanted ? sequence.keyOf(blockIndex, kind) : null;
        return key === null ? null : cache.find(key) ?? null;
      };
      const isKept = sequence.keeps(blockIndex);
      const [item, near] = [find("sealed", isKept), find("near", hasNear)];
      const isThere = (item !== null || !isKept) && (near !== null || !hasNear);
      if (!isThere) return [{ sequenceId, slot, blockIndex }];
      for (const each of [item, near]) if (each !== null) cache.acquire(each);
      sequence.ready.push({ blockIndex, item, near });
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
