import type { BandedLayout } from "../../codec/banded/layout.ts";
import { packSinks } from "../../codec/banded/pack.ts";
import { quantiseBanded } from "../../codec/banded/quantise.ts";
import type { BandedTables } from "../../codec/banded/tables.ts";
import { KEY, rawTileWords, VALUE } from "../../codec/record.ts";
import { isFiniteTile } from "../../codec/quantised.ts";
import { BLOCK_TOKEN_COUNT, WINDOW_TILE_COUNT } from "../../core/shapes.ts";
import type { QuantiseScratch } from "./paper.ts";

/** A block to quantise or measure. */
export interface BandedJob {
  /** Slot of the sequence in the raw window. */
  slot: number;
  /** Raw tile of the slot. */
  tile: number;
  /** Tokens before it are sinks: 0, or the layout's sinks. */
  firstToken: number;
}

/** The scratch buffers that quantising fills; layouts in `codec/scratch.ts`. */
export interface BandedScratch extends Omit<QuantiseScratch, "order"> {
  /** u32 `[job][store][layout.sinkWords(true)]`; zero for jobs without sinks. */
  sinks: Uint32Array;
}

/** Reference of `shaders/kv_quantise/banded.wgsl`; entries of refused blocks stay zero. */
export function kvQuantiseBandedReference(
  layout: BandedLayout,
  input: {
    jobs: readonly BandedJob[];
    windows: readonly Uint32Array[];
    tables: readonly BandedTables[];
  },
): BandedScratch {
  const { jobs, windows, tables } = input;
  const entryCount = jobs.length * windows.length;
  const codeBytes = layout.channelCount * BLOCK_TOKEN_COUNT;
  const codes = new Uint8Array(entryCount * 2 * codeBytes);
  const params = new Uint32Array(entryCount * 2 * BLOCK_TOKEN_COUNT);
  const sinks = new Uint32Array(entryCount * layout.sinkWords(true));
  const flags = new Uint32Array(jobs.length);
  const tileWords = rawTileWords(layout);
  for (const [index, { slot, tile, firstToken }] of jobs.entries()) {
    for (const [store, window] of windows.entries()) {
      const start = (slot * WINDOW_TILE_COUNT + tile) * tileWords;
      const tileData = window.subarray(start, start + tileWords);
      if (!isFiniteTile(layout, tileData, BLOCK_TOKEN_COUNT)) {
        flags[index] = 1;
        continue;
      }
      const entry = index * windows.length + store;
      const { sides } = quantiseBanded(layout, tileData, { tables: tables[store], firstToken });
      for (const side of [KEY, VALUE]) {
        codes.set(sides[side].codes, (entry * 2 + side) * codeBytes);
        params.set(sides[side].params, (entry * 2 + side) * BLOCK_TOKEN_COUNT);
      }
      if (firstToken > 0) sinks.set(packSinks(layout, tileData), entry * layout.sinkWords(true));
    }
  }
  return { codes, params, sinks, flags };
}
