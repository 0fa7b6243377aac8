import type { PaperLayout } from "../../codec/paper/layout.ts";
import type { Side } from "../../codec/record.ts";
import { dequantise } from "../../codec/paper/quantise.ts";
import { unpackPaper } from "../../codec/paper/unpack.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import {
  attendSplit,
  type AttentionReferenceShape,
  joinTokens,
  type VisibleTokens,
} from "./raw.ts";

/** Inputs of {@link attentionDecodePaperReference}, as the kernel binds them. */
export interface AttentionDecodePaperInputs {
  q: Float32Array;
  /** Four words per row: slot, position, sealed blocks, -. */
  rows: Uint32Array;
  layout: PaperLayout;
  arena: Uint32Array;
  /** Word offsets `[slot][blockCountMax]`. */
  directory: Uint32Array;
  blockCountMax: number;
}

/** The 64 tokens of a record, in packed order. */
export function tokensOfRecord(layout: PaperLayout, record: Uint32Array): VisibleTokens {
  const block = unpackPaper(layout, record);
  const channelCount = layout.kvHeadCount * layout.headSize;
  const read = (side: Side) => {
    const { codes, params } = block.sides[side];
    return Float64Array.from({ length: BLOCK_TOKEN_COUNT * channelCount }, (_, i) => {
      const token = Math.floor(i / channelCount);
      return dequantise(codes[(i % channelCount) * BLOCK_TOKEN_COUNT + token], params[token]);
    });
  };
  return { keys: read(0), values: read(1), tokenCount: BLOCK_TOKEN_COUNT };
}

/**
 * CPU twin of `shaders/attention_decode/paper.wgsl`, in f64 from the records.
 *
 * @returns Partials `[row][query head][split][headSize + 2]`; splits not visited stay 0.
 */
export function attentionDecodePaperReference(
  shape: AttentionReferenceShape,
  inputs: AttentionDecodePaperInputs,
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
        runs.push(tokensOfRecord(layout, record));
      }
      const seen = joinTokens(runs, kvHeadCount * headSize);
      attendSplit(shape, partials, query, { ...seen, row, split });
    }
  }
  return partials;
}
