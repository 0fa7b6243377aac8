import { readRow, ROW_WORDS } from "../core/row.ts";
import { type AttentionScoresInputs, keysOf } from "./attention_scores.ts";

/** What queries and keys are summed up of. */
export type ChannelScoresInputs = Omit<AttentionScoresInputs, "sinks">;

/** Reference of `shaders/channel_scores/raw.wgsl`, in f64: sums of squares by channel of K. */
export function channelScoresReference(
  shape: { kvHeadCount: number; queryHeadCount: number; headSize: number },
  inputs: ChannelScoresInputs,
): { queries: Float64Array; keys: Float64Array } {
  const { q, rows, firstRow } = inputs;
  const { kvHeadCount, queryHeadCount, headSize } = shape;
  const rowCount = rows.length / ROW_WORDS;
  const channelCount = kvHeadCount * headSize;
  const queries = new Float64Array(channelCount);
  for (let row = firstRow; row < rowCount; row++) {
    for (let head = 0; head < queryHeadCount; head++) {
      const kvHead = Math.floor(head / (queryHeadCount / kvHeadCount));
      for (let channel = 0; channel < headSize; channel++) {
        const value = q[(row * queryHeadCount + head) * headSize + channel];
        queries[kvHead * headSize + channel] += value * value;
      }
    }
  }
  const keys = new Float64Array(channelCount);
  for (const key of keysOf(shape, inputs, readRow(rows, rowCount - 1).position + 1)) {
    for (let channel = 0; channel < channelCount; channel++) keys[channel] += key[channel] ** 2;
  }
  return { queries, keys };
}
