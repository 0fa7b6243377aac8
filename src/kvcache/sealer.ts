/**
 * Sealing: what makes a block of the raw tile of 64 tokens that have left the window. A step that
 * completes blocks ends by measuring them; the next one begins by packing them.
 *
 * @module
 */

import type { ValuePart } from "../codec/record.ts";
import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { ReadBack } from "../gpu/read_back.ts";
import type { MeasureOp, PackOp, StepResult } from "../scheduler/step_plan.ts";

/** A block to pack, and where its values go. */
export interface PlacedPack extends PackOp {
  /** Word that places of values are counted from, by store; of the record if left out. */
  valueBases?: readonly (number | null)[];
}

/** Records so far of which tokens may be described by others. */
export interface DescribedCounts {
  /** Records of a layer, of codecs that try to. */
  describableRecordCount: number;
  /** Those of them that pack smaller so; the others fell back. */
  describedRecordCount: number;
}

/** Of codecs that do not. */
export const NONE_DESCRIBED: DescribedCounts = {
  describableRecordCount: 0,
  describedRecordCount: 0,
};

/** Seals blocks of one cache. */
export interface Sealer {
  /** Bytes that {@link encodeResultCopy} copies. */
  readonly resultSizeBytes: number;
  /** Encodes the packing of blocks that the last encoded step measured. */
  encodePacks(encoder: GPUCommandEncoder, packs: readonly PlacedPack[]): void;
  /**
   * Where the values of a block lie that was measured last, by store; null where records are whole.
   * Left out if no records have values apart.
   */
  valueParts?(pack: Pick<PackOp, "jobIndex">): readonly (ValuePart | null)[];
  /** Encodes the measuring of blocks after a step's rows. */
  encodeMeasures(encoder: GPUCommandEncoder, measures: readonly MeasureOp[]): void;
  /** Encodes the copy of the results of measuring, to `targetOffsetBytes` of `readBack`. */
  encodeResultCopy(encoder: GPUCommandEncoder, readBack: ReadBack, targetOffsetBytes: number): void;
  /** What measuring the blocks gave, from the copied words. */
  readResults(
    measures: readonly MeasureOp[],
    words: Uint32Array,
  ): Pick<StepResult, "recordWords" | "refused" | "tokenCounts">;
  /** Mean bits per element of the blocks measured so far, with all their side data. */
  bitsPerElement(): { k: number; v: number };
  /** The part of these bits that are the packs, without any side data. */
  payloadBitsPerElement(): { k: number; v: number };
  /** How many records are described since {@link beginCounts}. */
  readonly describedCounts: DescribedCounts;
  /** Begins to count records from 0. */
  beginCounts(): void;
  /** Frees its buffers. */
  destroy(): void;
}

/** Tokens of the records of each measured block, if some are gathered. */
export function gatheredCounts(
  measures: readonly MeasureOp[],
  storeCount: number,
): Pick<StepResult, "tokenCounts"> {
  if (!measures.some(({ gather }) => gather)) return {};
  const all = new Array<number>(storeCount).fill(BLOCK_TOKEN_COUNT);
  return { tokenCounts: measures.map(({ gather }) => gather?.tokenCounts ?? all) };
}
