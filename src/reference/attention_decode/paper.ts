import type { PaperLayout } from "../../codec/paper/layout.ts";
import { paperValues } from "../../codec/paper/values.ts";
import { hiddenCount, readEntry, readRow, ROW_WORDS } from "../../core/row.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import {
  attendSplit,
  type AttentionReferenceShape,
  joinTokens,
  type VisibleTokens,
  withoutFirst,
} from "./raw.ts";

/** Inputs of {@link attentionDecodePaperReference}, as the kernel binds them. */
export interface AttentionDecodePaperInputs {
  q: Float32Array;
  /** `ROW_WORDS` for each. */
  rows: Uint32Array;
  layout: PaperLayout;
  arena: Uint32Array;
  /** Read lists of `ENTRY_WORDS` an entry. */
  directory: Uint32Array;
}

/** The 64 tokens of a record, in packed order. */
export function tokensOfRecord(layout: PaperLayout, record: Uint32Array): VisibleTokens {
  return { ...paperValues(layout, record), tokenCount: BLOCK_TOKEN_COUNT };
}

/**
 * Reference of `shaders/attention_decode/paper.wgsl`, in f64 from the records.
 *
 * @returns Partials `[row][query head][split][headSize + 2]`; splits not visited stay 0.
 */
export function attentionDecodePaperReference(
  shape: AttentionReferenceShape,
  inputs: AttentionDecodePaperInputs,
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
        const run = { ...tokensOfRecord(layout, arena.subarray(word)), tokenCount };
        runs.push(withoutFirst(run, hiddenCount(own, block), channelCount));
      }
      const seen = joinTokens(runs, channelCount);
      attendSplit(shape, partials, query, { ...seen, row, split });
    }
  }
  return partials;
}
