/**
 * Decode rows of a step with their drafts, and which drafts turned out right.
 *
 * @module
 */

import type { StepRate } from "./drafter.ts";
import type { Sequence } from "./sequence.ts";
import type { DecodeRow, StepResult } from "./step_plan.ts";

/** Tokens drafted, and those of them that were right. */
export interface DraftCounts {
  draftTokenCount: number;
  acceptedTokenCount: number;
}

/** What says whose tokens a row gives. */
export type DraftedFields = "sequenceId" | "position" | "draftIds";

/** Time that a step takes by its decode rows, in units of one with a single row. */
export type RowCost = (rowCount: number) => number;

/** A row more takes a tenth: weights are read once for all rows, attention is each row's own. */
export const ROW_COST: RowCost = (rowCount) => 1 + 0.1 * (rowCount - 1);

/**
 * One row for each sequence that can decode.
 *
 * @param running Sequences in slots.
 * @param drafts `rowCountMax`: further rows there is room for; the first sequences get them.
 */
export function planDecodes(
  running: readonly Sequence[],
  { rowCountMax, rowCost = ROW_COST }: { rowCountMax: number; rowCost?: RowCost },
): DecodeRow[] {
  const decoding = running.filter((sequence) => sequence.canDecode);
  let rowCount = decoding.length;
  const lastCount = rowCount + rowCountMax;
  return decoding.map((sequence) => {
    const rateOf: StepRate = (guessCount, rightCount) =>
      (rowCount + rightCount) / rowCost(rowCount + guessCount);
    const row = sequence.takeDecode(lastCount - rowCount, rateOf);
    rowCount += row.draftIds.length;
    const { slot, request: { sequenceId } } = sequence;
    return { sequenceId, slot, ...row, ...sequence.reads };
  });
}

/**
 * The tokens that a row's sequence continues with: the sampled one, and the one sampled after each
 * draft that equals the sampled token before it.
 */
export function acceptedTokens(
  { sequenceId, draftIds }: Pick<DecodeRow, "sequenceId" | "draftIds">,
  { ids, draftSamples }: StepResult,
): number[] {
  const first = ids.get(sequenceId);
  if (first === undefined) return [];
  const sampled = [first, ...(draftSamples?.get(sequenceId) ?? [])];
  const wrong = draftIds.findIndex((id, index) => id !== sampled[index]);
  return sampled.slice(0, wrong < 0 ? draftIds.length + 1 : wrong + 1);
}
