import type { BandedLayout } from "../../codec/banded/layout.ts";
import type { BandedTables } from "../../codec/banded/tables.ts";
import { bandedValues } from "../../codec/banded/values.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { hiddenCount, readEntry, readRow, ROW_WORDS } from "../../core/row.ts";
import {
  attendSplit,
  type AttentionReferenceShape,
  joinTokens,
  type VisibleTokens,
} from "./raw.ts";

/** Inputs of {@link attentionDecodeBandedReference}, as the kernel binds them. */
export interface AttentionDecodeBandedInputs {
  q: Float32Array;
  /** `ROW_WORDS` for each. */
  rows: Uint32Array;
  layout: BandedLayout;
  tables: BandedTables;
  arena: Uint32Array;
  /** Read lists of `ENTRY_WORDS` an entry. */
  directory: Uint32Array;
}

/**
 * Reference of `shaders/attention_decode/banded.wgsl`, in f64 from the records.
 *
 * @returns Partials `[row][query head][split][headSize + 2]`; splits not visited stay 0.
 */
export function attentionDecodeBandedReference(
  shape: AttentionReferenceShape,
  inputs: AttentionDecodeBandedInputs,
): Float64Array {
  const { kvHeadCount, queryHeadCount, headSize, blocksPerSplit, splitCountMax } = shape;
  const { q, rows, layout, arena, directory } = inputs;
  const channelCount = kvHeadCount * headSize;
  const rowCount = rows.length / ROW_WORDS;
  const width = queryHeadCount * headSize;
  const partials = new Float64Array(rowCount * queryHeadCount * splitCountMax * (headSize + 2));
  for (let row = 0; row < rowCount; row++) {
    const own = readRow(rows, row);
    const { listStart, listCount } = own;
    const query = q.subarray(row * width, (row + 1) * width);
    for (let split = 0; split * blocksPerSplit < listCount; split++) {
      const end = Math.min(listCount, (split + 1) * blocksPerSplit);
      const runs: VisibleTokens[] = [];
      for (let block = split * blocksPerSplit; block < end; block++) {
        const { word, tokenCount, isFirst } = readEntry(directory, listStart + block);
        const sinkCount = isFirst ? layout.sinkCount : 0;
        const sides = bandedValues(inputs, arena.subarray(word), sinkCount > 0);
        // Its sinks have the last places, whatever is left of the tokens before them.
        // They are the first tokens, and the first that a row does not see.
        const hidden = Math.min(tokenCount, hiddenCount(own, block));
        const hiddenSinks = Math.min(hidden, sinkCount);
        const ranges = [
          [hidden - hiddenSinks, tokenCount - sinkCount - (hidden - hiddenSinks)],
          [BLOCK_TOKEN_COUNT - sinkCount + hiddenSinks, sinkCount - hiddenSinks],
        ];
        for (const [first, count] of ranges) {
          const [keys, values] = sides.map((side) =>
            Float64Array.from(side.subarray(first * channelCount))
          );
          runs.push({ keys, values, tokenCount: count });
        }
      }
      const seen = joinTokens(runs, channelCount);
      attendSplit(shape, partials, query, { ...seen, row, split });
    }
  }
  return partials;
}
