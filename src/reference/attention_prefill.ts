import { rawTileWords } from "../codec/record.ts";
import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import {
  attendSplit,
  attentionDecodeRawReference,
  type AttentionReferenceShape,
  joinTokens,
  visibleOfTile,
} from "./attention_decode/raw.ts";

/** Inputs of {@link attentionPrefillReference}, as the kernel binds them. */
export interface AttentionPrefillInputs {
  q: Float32Array;
  /** Four words per row of the slice: slot, position, sealed blocks, -. */
  rows: Uint32Array;
  /** Window, arena or scratch. */
  tiles: Uint32Array;
  /** Word offsets `[slot][blockCountMax]` of an arena. */
  directory?: Uint32Array;
  blockCountMax: number;
  /** Of scratch: the blocks that it holds. */
  segment?: { firstBlock: number; blockCount: number };
}

/**
 * CPU twin of `shaders/attention_prefill/raw.wgsl`, in f64: each row for itself.
 *
 * @returns Partials `[row][query head][split][headSize + 2]`; splits not visited stay 0.
 */
export function attentionPrefillReference(
  shape: AttentionReferenceShape,
  inputs: AttentionPrefillInputs,
): Float64Array {
  const { segment, rows, q, tiles } = inputs;
  if (!segment) return attentionDecodeRawReference(shape, inputs);
  const { kvHeadCount, queryHeadCount, headSize, blocksPerSplit, splitCountMax } = shape;
  const rowCount = rows.length / 4;
  const width = queryHeadCount * headSize;
  const partials = new Float64Array(rowCount * queryHeadCount * splitCountMax * (headSize + 2));
  for (let block = 0; block < segment.blockCount; block += blocksPerSplit) {
    const blockCount = Math.min(blocksPerSplit, segment.blockCount - block);
    const runs = Array.from({ length: blockCount }, (_, index) => {
      const word = (block + index) * rawTileWords(shape);
      return visibleOfTile(shape, tiles, { word, tokenCount: BLOCK_TOKEN_COUNT });
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
