/** How many threads repack a store greedily. */

import type { Variant } from "../variant.ts";

/** A number of threads, for stores of so many channels of a side. */
export interface KvRepackGreedyVariant extends Variant<{ channelCount: number }> {
  readonly threadCount: number;
}

/** From here on 64 threads would need too many turns; see `CHANNEL_COUNT_MAX` of `greedy.ts`. */
const CHANNEL_COUNT_LARGE = 1025;

/** The fastest first: more threads are more barriers, which cost a CPU more than they gain it. */
export const KV_REPACK_GREEDY_VARIANTS: readonly KvRepackGreedyVariant[] = [
  {
    name: "64 threads",
    supports: (_facts, { channelCount }) => channelCount < CHANNEL_COUNT_LARGE,
    tuned: [],
    threadCount: 64,
  },
  { name: "256 threads", supports: () => true, tuned: [], threadCount: 256 },
];
