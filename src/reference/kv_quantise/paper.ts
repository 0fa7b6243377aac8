import { quantisePaper } from "../../codec/paper/quantise.ts";
import { isFiniteTile } from "../../codec/quantised.ts";
import type { PaperLayout } from "../../codec/paper/layout.ts";
import { KEY, rawTileWords, VALUE } from "../../codec/record.ts";
import { type PackJob, scratchWords } from "../../codec/scratch.ts";
import { WINDOW_TILE_COUNT } from "../../core/shapes.ts";

/** The scratch buffers that quantising fills; layouts in `codec/scratch.ts`. */
export interface QuantiseScratch {
  codes: Uint8Array;
  params: Uint32Array;
  order: Uint32Array;
  flags: Uint32Array;
}

/** Reference of `kv_quantise/paper`, all stores; entries of refused blocks stay zero. */
export function kvQuantisePaperReference(
  layout: PaperLayout,
  input: { jobs: readonly PackJob[]; windows: readonly Uint32Array[] },
  options: { keyRel: number; valueRel: number },
): QuantiseScratch {
  const { jobs, windows } = input;
  const words = scratchWords(layout, windows.length);
  const codes = new Uint8Array(jobs.length * words.codes * 4);
  const params = new Uint32Array(jobs.length * words.params);
  const order = Uint32Array.from({ length: jobs.length * words.order }, (_, i) => i % 64);
  const flags = new Uint32Array(jobs.length);
  const tileWords = rawTileWords(layout);
  for (const [index, { slot, tile, tokenCount }] of jobs.entries()) {
    for (const [store, window] of windows.entries()) {
      const start = (slot * WINDOW_TILE_COUNT + tile) * tileWords;
      const tileData = window.subarray(start, start + tileWords);
      if (!isFiniteTile(layout, tileData, tokenCount)) {
        flags[index] = 1;
        continue;
      }
      const { sides } = quantisePaper(layout, tileData, { ...options, tokenCount });
      for (const side of [KEY, VALUE]) {
        const entry = (index * windows.length + store) * 2 + side;
        codes.set(sides[side].codes, entry * sides[side].codes.length);
        params.set(sides[side].params, entry * 64);
      }
    }
  }
  return { codes, params, order, flags };
}
