import { isFiniteTile } from "../../codec/quantised.ts";
import { rawTileWords } from "../../codec/record.ts";
import type { XquantLayout } from "../../codec/xquant/layout.ts";
import { packXquant } from "../../codec/xquant/record.ts";
import { BLOCK_TOKEN_COUNT, WINDOW_TILE_COUNT } from "../../core/shapes.ts";

/** A block's place in the windows. */
export interface XquantJob {
  slot: number;
  tile: number;
}

/**
 * Reference of `kv_quantise/xquant`, all stores: `[job][store][layout.ownWords]`, of records
 * without codes the first words. Those of tiles that are refused stay zero.
 */
export function kvQuantiseXquantReference(
  layout: XquantLayout,
  { jobs, stores }: {
    jobs: readonly XquantJob[];
    stores: readonly { window: Uint32Array; hasCodes: boolean }[];
  },
): { records: Uint32Array; flags: Uint32Array } {
  const { ownWords } = layout;
  const records = new Uint32Array(jobs.length * stores.length * ownWords);
  const flags = new Uint32Array(jobs.length);
  const tileWords = rawTileWords(layout);
  for (const [index, { slot, tile }] of jobs.entries()) {
    for (const [store, { window, hasCodes }] of stores.entries()) {
      const start = (slot * WINDOW_TILE_COUNT + tile) * tileWords;
      const words = window.slice(start, start + tileWords);
      if (!isFiniteTile(layout, words, BLOCK_TOKEN_COUNT)) {
        flags[index] = 1;
        continue;
      }
      const record = packXquant(layout, words, hasCodes);
      records.set(record, (index * stores.length + store) * ownWords);
    }
  }
  return { records, flags };
}
