import { rawTileValues } from "../codec/raw_tile.ts";
import { KEY, rawTileWords } from "../codec/record.ts";
import { readEntry, readRow, ROW_WORDS } from "../core/row.ts";
import { BLOCK_TOKEN_COUNT, WINDOW_TILE_COUNT } from "../core/shapes.ts";

/** What the attention of rows is summed up of. */
export interface AttentionScoresInputs {
  q: ArrayLike<number>;
  /** `ROW_WORDS` for each row; the last ones of them count, from `firstRow` on. */
  rows: Uint32Array;
  firstRow: number;
  /** Raw tiles of sealed blocks, found through `directory`. */
  arena: Uint32Array;
  directory: Uint32Array;
  window: Uint32Array;
  /** First tokens that a first record has behind the others. */
  sinkCount: number;
  /** By head: a score without a value; none if left out. */
  sinks?: ArrayLike<number>;
}

/** Reference of `shaders/attention_scores/raw.wgsl`, in f64, by the softmax over all tokens. */
export function attentionScoresReference(
  shape: { kvHeadCount: number; queryHeadCount: number; headSize: number; softCap?: number | null },
  inputs: AttentionScoresInputs,
): { sums: Float64Array; last: Float64Array[] } {
  const { q, rows, firstRow, sinks } = inputs;
  const { queryHeadCount, headSize } = shape;
  const rowCount = rows.length / ROW_WORDS;
  const tokenCount = readRow(rows, rowCount - 1).position + 1;
  const keys = keysOf(shape, inputs, tokenCount);
  const sums = new Float64Array(tokenCount);
  let last: Float64Array[] = [];
  for (let row = firstRow; row < rowCount; row++) {
    const seenCount = readRow(rows, row).position + 1;
    last = [];
    for (let head = 0; head < queryHeadCount; head++) {
      const kvHead = Math.floor(head / (queryHeadCount / shape.kvHeadCount));
      const query = (row * queryHeadCount + head) * headSize;
      const scores = Array.from({ length: seenCount }, (_, token) => {
        let sum = 0;
        for (let channel = 0; channel < headSize; channel++) {
          sum += q[query + channel] * keys[token][kvHead * headSize + channel];
        }
        const score = sum / Math.sqrt(headSize);
        return shape.softCap ? shape.softCap * Math.tanh(score / shape.softCap) : score;
      });
      const peak = Math.max(...scores, sinks ? sinks[head] : -Infinity);
      const weights = scores.map((score) => Math.exp(score - peak));
      const total = weights.reduce((sum, weight) => sum + weight, 0) +
        (sinks ? Math.exp(sinks[head] - peak) : 0);
      const shares = new Float64Array(tokenCount);
      weights.forEach((weight, token) => shares[token] = weight / total);
      shares.forEach((share, token) => sums[token] += share);
      last.push(shares);
    }
  }
  return { sums, last };
}

/** K by token. */
export function keysOf(
  shape: { kvHeadCount: number; headSize: number },
  { rows, arena, directory, window, sinkCount }: AttentionScoresInputs,
  tokenCount: number,
): Float32Array[] {
  const width = shape.kvHeadCount * shape.headSize;
  const tileWords = rawTileWords(shape);
  const { slot, listStart, firstWindowBlock } = readRow(rows, 0);
  const keys: Float32Array[] = [];
  for (let block = 0; block * BLOCK_TOKEN_COUNT < tokenCount; block++) {
    const isSealed = block < firstWindowBlock;
    const start = isSealed
      ? readEntry(directory, listStart + block).word
      : (slot * WINDOW_TILE_COUNT + block % WINDOW_TILE_COUNT) * tileWords;
    const tile = (isSealed ? arena : window).subarray(start, start + tileWords);
    const values = rawTileValues(shape, tile, KEY);
    const offset = isSealed && block === 0 ? sinkCount : 0;
    for (let place = 0; place < BLOCK_TOKEN_COUNT; place++) {
      const token = block * BLOCK_TOKEN_COUNT + (place + offset) % BLOCK_TOKEN_COUNT;
      if (token < tokenCount) keys[token] = values.subarray(place * width, (place + 1) * width);
    }
  }
  return keys;
}
