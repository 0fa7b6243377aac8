import type { Int8Layout } from "../../codec/int8/layout.ts";
import { int8Values } from "../../codec/int8/record.ts";
import { hiddenCount, readEntry, readRow, ROW_WORDS } from "../../core/row.ts";
import {
  attendSplit,
  type AttentionReferenceShape,
  joinTokens,
  type VisibleTokens,
  withoutFirst,
} from "./raw.ts";

/** Inputs of {@link attentionDecodeInt8Reference}, as the kernel binds them. */
export interface AttentionDecodeInt8Inputs {
  q: Float32Array;
  /** `ROW_WORDS` for each. */
  rows: Uint32Array;
  layout: Int8Layout;
  arena: Uint32Array;
  /** Read lists of `ENTRY_WORDS` an entry. */
  directory: Uint32Array;
}

/**
 * Reference of `attention_decode/int8`, in f64 from the records.
 *
 * @returns Partials `[row][query head][split][headSize + 2]`; splits not visited stay 0.
 */
export function attentionDecodeInt8Reference(
  shape: AttentionReferenceShape,
  inputs: AttentionDecodeInt8Inputs,
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
        const { word, tokenCount } = readEntry(directory, listStart + block);
        const record = arena.subarray(word, word + layout.recordWords);
        const run = { ...int8Values(layout, record), tokenCount };
        runs.push(withoutFirst(run, hiddenCount(own, block), channelCount));
      }
      const seen = joinTokens(runs, channelCount);
      attendSplit(shape, partials, query, { ...seen, row, split });
    }
  }
  return partials;
}
