import { rawTileWords } from "../codec/record.ts";
import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import { hiddenCount, readEntry, readRow, ROW_WORDS } from "../core/row.ts";
import {
  attendSplit,
  attentionDecodeRawReference,
  type AttentionReferenceShape,
  joinTokens,
  referenceQuerySize,
  visibleOfTile,
  type VisibleTokens,
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
  /** Of the window: tiles of a slot; 3 if left out. */
  tileCount?: number;
  /** Of scratch: first tokens of a sequence that the tile of its first block has last. */
  sinkCount?: number;
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
  const { segment, rows, q, directory } = inputs;
  if (!segment || !directory) return attentionDecodeRawReference(shape, inputs);
  const { kvHeadCount, queryHeadCount, headSize, blocksPerSplit, splitCountMax } = shape;
  const rowCount = rows.length / ROW_WORDS;
  const querySize = referenceQuerySize(shape);
  const width = queryHeadCount * querySize;
  const partials = new Float64Array(rowCount * queryHeadCount * splitCountMax * (querySize + 2));
  for (let row = 0; row < rowCount; row++) {
    const query = q.subarray(row * width, (row + 1) * width);
    for (let block = 0; block < segment.blockCount; block += blocksPerSplit) {
      const blockCount = Math.min(blocksPerSplit, segment.blockCount - block);
      const runs = Array.from(
        { length: blockCount },
        (_, index) =>
          seenOfScratch(shape, { ...inputs, segment, directory }, { row, index: block + index }),
      );
      const seen = joinTokens(runs, kvHeadCount * headSize);
      const split = (segment.firstBlock + block) / blocksPerSplit;
      attendSplit(shape, partials, query, { ...seen, row, split });
    }
  }
  return partials;
}

/** What a row sees of a tile in scratch. */
function seenOfScratch(
  shape: AttentionReferenceShape,
  { segment, rows, tiles, directory, sinkCount = 0 }:
    & Required<
      Pick<AttentionPrefillInputs, "segment" | "directory" | "rows" | "tiles">
    >
    & Pick<AttentionPrefillInputs, "sinkCount">,
  { row, index }: { row: number; index: number },
): VisibleTokens {
  const own = readRow(rows, row);
  const block = segment.firstBlock + index;
  const { tokenCount, isFirst } = readEntry(directory, own.listStart + block);
  const whole = visibleOfTile(shape, tiles, { word: index * rawTileWords(shape), tokenCount });
  const hidden = hiddenCount(own, block);
  if (hidden === 0) return whole;
  const turned = isFirst ? sinkCount : 0;
  const channelCount = shape.kvHeadCount * shape.headSize;
  const isSeen = (_: number, value: number) =>
    (Math.floor(value / channelCount) + turned) % BLOCK_TOKEN_COUNT >= hidden;
  const seenOf = (side: ArrayLike<number>) =>
    Array.from(side).slice(0, tokenCount * channelCount).filter(isSeen);
  const keys = seenOf(whole.keys);
  return { keys, values: seenOf(whole.values), tokenCount: keys.length / channelCount };
}
