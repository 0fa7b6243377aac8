import type { BandedLayout } from "../../codec/banded/layout.ts";
import type { BandedTables } from "../../codec/banded/tables.ts";
import { bandedValues } from "../../codec/banded/values.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import {
  attendSplit,
  type AttentionReferenceShape,
  joinTokens,
  type VisibleTokens,
} from "./raw.ts";

/** Inputs of {@link attentionDecodeBandedReference}, as the kernel binds them. */
export interface AttentionDecodeBandedInputs {
  q: Float32Array;
  /** Four words per row: slot, position, sealed blocks, -. */
  rows: Uint32Array;
  layout: BandedLayout;
  tables: BandedTables;
  arena: Uint32Array;
  /** Word offsets `[slot][blockCountMax]`. */
  directory: Uint32Array;
  blockCountMax: number;
}

/**
 * CPU twin of `shaders/attention_decode/banded.wgsl`, in f64 from the records.
 *
 * @returns Partials `[row][query head][split][headSize + 2]`; splits not visited stay 0.
 */
export function attentionDecodeBandedReference(
  shape: AttentionReferenceShape,
  inputs: AttentionDecodeBandedInputs,
): Float64Array {
  const { kvHeadCount, queryHeadCount, headSize, blocksPerSplit, splitCountMax } = shape;
  const { q, rows, layout, arena, directory, blockCountMax } = inputs;
  const rowCount = rows.length / 4;
  const width = queryHeadCount * headSize;
  const partials = new Float64Array(rowCount * queryHeadCount * splitCountMax * (headSize + 2));
  for (let row = 0; row < rowCount; row++) {
    const [slot, , blockCount] = rows.subarray(row * 4);
    const query = q.subarray(row * width, (row + 1) * width);
    for (let split = 0; split * blocksPerSplit < blockCount; split++) {
      const end = Math.min(blockCount, (split + 1) * blocksPerSplit);
      const runs: VisibleTokens[] = [];
      for (let block = split * blocksPerSplit; block < end; block++) {
        const record = arena.subarray(directory[slot * blockCountMax + block]);
        const hasSinks = block === 0 && layout.sinkCount > 0;
        const [keys, values] = bandedValues(inputs, record, hasSinks).map((side) =>
          Float64Array.from(side)
        );
        runs.push({ keys, values, tokenCount: BLOCK_TOKEN_COUNT });
      }
      const seen = joinTokens(runs, kvHeadCount * headSize);
      attendSplit(shape, partials, query, { ...seen, row, split });
    }
  }
  return partials;
}
