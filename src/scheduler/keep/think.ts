/**
 * ThinK: channels of K that matter least to the prompt's last queries are dropped, in each KV head
 * for itself. All tokens stay.
 *
 * Source: arXiv:2407.21018, section 3.2.
 *
 * @module
 */

import type { ChannelScores, KeepMethod } from "./method.ts";

/** Its settings. */
export interface ThinkSettings {
  /** Share of the channels of each head that goes. */
  ratio: number;
  /** Last queries that rank the channels. */
  queryCount: number;
}

/** The method with settings; `id` says them. */
export function think(id: string, { ratio, queryCount }: ThinkSettings): KeepMethod {
  return {
    id,
    observation: {
      queryCount,
      storesTogether: 1,
      needsSums: false,
      needsLastQuery: false,
      needsChannels: true,
    },
    needsAll: true,
    choose: (_, { sealedTokenCount }) => Array.from({ length: sealedTokenCount }, (_, i) => i),
    keepChannels: (scores) => keptChannels(scores, ratio),
  };
}

/** Of equal channels the earlier goes. */
function keptChannels({ headSize, queries, keys }: ChannelScores, ratio: number): Uint32Array {
  const kept = new Uint32Array(keys.length / 32).fill(0xffffffff);
  const droppedCount = Math.floor(headSize * ratio);
  for (let start = 0; start < keys.length; start += headSize) {
    const channels = Array.from({ length: headSize }, (_, offset) => start + offset);
    const score = (channel: number) => queries[channel] * keys[channel];
    channels.sort((a, b) => score(a) - score(b) || a - b);
    for (const channel of channels.slice(0, droppedCount)) {
      kept[channel >> 5] &= ~(1 << (channel & 31));
    }
  }
  return kept;
}
