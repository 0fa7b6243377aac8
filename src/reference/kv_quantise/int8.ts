import type { Int8Layout } from "../../codec/int8/layout.ts";
import { packInt8 } from "../../codec/int8/record.ts";
import { isFiniteTile } from "../../codec/quantised.ts";
import { rawTileWords } from "../../codec/record.ts";
import { BLOCK_TOKEN_COUNT, WINDOW_TILE_COUNT } from "../../core/shapes.ts";

/** A block's place in the windows. */
export interface Int8Job {
  slot: number;
  tile: number;
}

/** Reference of `kv_quantise/int8`, all stores; records of tiles that are refused stay zero. */
export function kvQuantiseInt8Reference(
  layout: Int8Layout,
  { jobs, windows }: { jobs: readonly Int8Job[]; windows: readonly Uint32Array[] },
): { records: Uint32Array; flags: Uint32Array } {
  const { recordWords } = layout;
  const records = new Uint32Array(jobs.length * windows.length * recordWords);
  const flags = new Uint32Array(jobs.length);
  const tileWords = rawTileWords(layout);
  for (const [index, { slot, tile }] of jobs.entries()) {
    for (const [store, window] of windows.entries()) {
      const start = (slot * WINDOW_TILE_COUNT + tile) * tileWords;
      const words = window.slice(start, start + tileWords);
      if (!isFiniteTile(layout, words, BLOCK_TOKEN_COUNT)) {
        flags[index] = 1;
        continue;
      }
      records.set(packInt8(layout, words), (index * windows.length + store) * recordWords);
    }
  }
  return { records, flags };
}
