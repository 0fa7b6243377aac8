import { rawTileWords } from "../codec/record.ts";
import { readEntry, readRow, ROW_WORDS } from "../core/row.ts";
import {
  attendSplit,
  attentionDecodeRawReference,
  type AttentionReferenceShape,
  joinTokens,
  referenceQuerySize,
  visibleOfTile,
} from "./attention_decode/raw.ts";

/** Inputs of {@link attentionPrefillReference}, as the kernel binds them. */
export interface AttentionPrefillInputs {
  q: Float32Array;
  /** `ROW_WORDS` for each row of the slice. */
  rows: Uint32Array;
  /** Window, arena or scratch. */
  tiles: Uint32Array;
  /** Read lists of `ENTRY_WORDS` an entry; the window has none. */
  directory?: Uint32Array;
  /** Of the window: tiles of a slot, and newest tokens that a row sees; 4 and all if left out. */
  ring?: { tileCount: number; reach: number | null };
  /** Of scratch: the blocks that it holds. */
  segment?: { firstBlock: number; blockCount: number };
}

/**
 * Reference of `shaders/attention_prefill/raw.wgsl`, in f64: each row for itself.
 *
 * @returns Partials `[row][query head][split][channels + 2]`; splits not visited stay 0.
 */
export function attentionPrefillReference(
  shape: AttentionReferenceShape,
  inputs: AttentionPrefillInputs,
): Float64Array {
  const { segment, rows, q, tiles, directory } = inputs;
  if (!segment || !directory) return attentionDecodeRawReference(shape, inputs);
  const { kvHeadCount, queryHeadCount, headSize, blocksPerSplit, splitCountMax } = shape;
  const { listStart } = readRow(rows, 0);
  const rowCount = rows.length / ROW_WORDS;
  const querySize = referenceQuerySize(shape);
  const width = queryHeadCount * querySize;
  const partials = new Float64Array(rowCount * queryHeadCount * splitCountMax * (querySize + 2));
  for (let block = 0; block < segment.blockCount; block += blocksPerSplit) {
    const blockCount = Math.min(blocksPerSplit, segment.blockCount - block);
    const runs = Array.from({ length: blockCount }, (_, index) => {
      const word = (block + index) * rawTileWords(shape);
      const { tokenCount } = readEntry(directory, listStart + segment.firstBlock + block + index);
      return visibleOfTile(shape, tiles, { word, tokenCount });
    });
    const seen = joinTokens(runs, kvHeadCount * headSize);
    const split = (segment.firstBlock + block) / blocksPerSplit;
    for (let row = 0; row < rowCount; row++) {
      const query = q.subarray(row * width, (row + 1) * width);
      attendSplit(shape, partials, query, { ...seen, row, split });
    }
  }
  return partials;
}
