import type { XquantLayout } from "../../codec/xquant/layout.ts";
import { readEntry, readRow, ROW_WORDS } from "../../core/row.ts";
import { valuesInArena } from "../block_unpack/xquant.ts";
import {
  attendSplit,
  type AttentionReferenceShape,
  joinTokens,
  type VisibleTokens,
} from "./raw.ts";

/** Inputs of {@link attentionDecodeXquantReference}, as the kernel binds them. */
export interface AttentionDecodeXquantInputs {
  q: Float32Array;
  /** `ROW_WORDS` for each. */
  rows: Uint32Array;
  layout: XquantLayout;
  /** Whether the records have codes; else those that end the record before each are read. */
  hasCodes: boolean;
  arena: Uint32Array;
  /** Read lists of `ENTRY_WORDS` an entry. */
  directory: Uint32Array;
}

/**
 * Reference of `attention_decode/xquant`, in f64 from the records.
 *
 * @returns Partials `[row][query head][split][headSize + 2]`; splits not visited stay 0.
 */
export function attentionDecodeXquantReference(
  shape: AttentionReferenceShape,
  inputs: AttentionDecodeXquantInputs,
): Float64Array {
  const { kvHeadCount, queryHeadCount, headSize, blocksPerSplit, splitCountMax } = shape;
  const { q, rows, directory } = inputs;
  const rowCount = rows.length / ROW_WORDS;
  const width = queryHeadCount * headSize;
  const partials = new Float64Array(rowCount * queryHeadCount * splitCountMax * (headSize + 2));
  for (let row = 0; row < rowCount; row++) {
    const { listStart, listCount } = readRow(rows, row);
    const query = q.subarray(row * width, (row + 1) * width);
    for (let split = 0; split * blocksPerSplit < listCount; split++) {
      const end = Math.min(listCount, (split + 1) * blocksPerSplit);
      const runs: VisibleTokens[] = [];
      for (let block = split * blocksPerSplit; block < end; block++) {
        const { word, tokenCount } = readEntry(directory, listStart + block);
        runs.push({ ...valuesInArena(inputs, word), tokenCount });
      }
      const seen = joinTokens(runs, kvHeadCount * headSize);
      attendSplit(shape, partials, query, { ...seen, row, split });
    }
  }
  return partials;
}
