import { type SchedulerOptions, sliceShare, sliceSize } from "./admission.ts";
import { nextPrefill } from "./run_order.ts";
import type { Sequence } from "./sequence.ts";
import type { PrefillSlice } from "./step_plan.ts";

/** The next layers of the open slice, or of the next one: all of them if no sequence decodes. */
export function planSlice(
  running: readonly Sequence[],
  options: SchedulerOptions,
  { decodeCount, stepIndex }: { decodeCount: number; stepIndex: number },
): PrefillSlice | null {
  const prefilling = running.filter(({ isPrefilling }) => isPrefilling);
  const sequence = prefilling.find(({ slice }) => slice !== null) ??
    nextPrefill(prefilling, stepIndex);
  if (sequence === null) return null;
  sequence.slicedStep = stepIndex;
  const { request: { sequenceId }, slot, reads } = sequence;
  const { layerCount } = options;
  const askedCount = prefilling.filter(({ isReread }) => !isReread).length;
  const promptCount = Math.max(1, askedCount);
  const step = { decodeCount, promptCount, blockCount: reads.listCount };
  const open = sequence.openSlice(sliceSize(options, { ...step, layerCount }));
  const { position, ids, nextLayer: first } = open;
  const share = sliceShare(options, { ...step, tokenCount: ids.length });
  const end = Math.min(layerCount, first + Math.max(1, Math.floor(layerCount * share)));
  const isComplete = end === layerCount;
  open.nextLayer = end;
  const observed = sequence.keeping?.observe(position, ids.length);
  const isLast = isComplete && sequence.completeSlice();
  const layers = { first, end };
  const slice = { sequenceId, slot, position, ids, ...reads, layers, isComplete, isLast };
  return observed ? { ...slice, observed } : slice;
}
