import { readRow, ROW_WORDS } from "../core/row.ts";
import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { AttentionReferenceShape } from "./attention_decode/raw.ts";

/** Reference of `attention_merge`, in f64. Returns `[row][query head][headSize]`. */
export function attentionMergeReference(
  shape: AttentionReferenceShape,
  inputs: { rows: Uint32Array; partials: ArrayLike<number>; sinks?: ArrayLike<number> | null },
): Float64Array {
  const { queryHeadCount, headSize, blocksPerSplit, splitCountMax } = shape;
  const { rows, partials, sinks = null } = inputs;
  const out = new Float64Array(rows.length / ROW_WORDS * queryHeadCount * headSize);
  for (let head = 0; head < out.length / headSize; head++) {
    const row = readRow(rows, Math.floor(head / queryHeadCount));
    const windowTileCount = Math.floor(row.position / BLOCK_TOKEN_COUNT) + 1 - row.firstWindowBlock;
    const splitCount = Math.ceil(row.listCount / blocksPerSplit) + windowTileCount;
    const starts = Array.from(
      { length: splitCount },
      (_, split) => (head * splitCountMax + split) * (headSize + 2),
    );
    const sink = sinks === null ? -Infinity : sinks[head % queryHeadCount];
    const peak = Math.max(sink, ...starts.map((start) => partials[start]));
    let total = Math.exp(sink - peak);
    for (const start of starts) {
      const factor = Math.exp(partials[start] - peak);
      total += factor * partials[start + 1];
      for (let c = 0; c < headSize; c++) {
        out[head * headSize + c] += factor * partials[start + 2 + c];
      }
    }
    for (let c = 0; c < headSize; c++) out[head * headSize + c] /= total;
  }
  return out;
}
