import type { BandedLayout } from "../../codec/banded/layout.ts";
import type { BandedTables } from "../../codec/banded/tables.ts";
import { unpackBanded } from "../../codec/banded/unpack.ts";
import { KEY } from "../../codec/record.ts";
import { sideCodeWords } from "../../codec/scratch.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { BandedScratch } from "../kv_quantise/banded.ts";

/** What a block is put together of, by store, as the kernel is given it. */
export interface GatherSource {
  scratchIndex: number;
  sources: readonly Uint32Array[];
  sinkRecords: readonly number[] | null;
  keptChannels: readonly Uint32Array[] | null;
}

/** Reference of `shaders/kv_gather/banded.wgsl`: writes the entries of the gathers into scratch. */
export function kvGatherBandedReference(
  layout: BandedLayout,
  input: {
    gathers: readonly GatherSource[];
    tables: readonly BandedTables[];
    arena: Uint32Array;
  },
  scratch: BandedScratch,
): void {
  const { gathers, tables, arena } = input;
  const sideBytes = sideCodeWords(layout) * 4;
  const sinkWords = layout.sinkWords(true);
  for (const { scratchIndex, sources, sinkRecords, keptChannels } of gathers) {
    for (let store = 0; store < tables.length; store++) {
      const entry = scratchIndex * tables.length + store;
      const codes = scratch.codes.subarray(entry * 2 * sideBytes, (entry + 1) * 2 * sideBytes);
      codes.fill(0);
      scratch.params.fill(0, entry * 2 * BLOCK_TOKEN_COUNT, (entry + 1) * 2 * BLOCK_TOKEN_COUNT);
      for (let target = 0; target < sources[store].length / 2; target++) {
        const [record, place] = sources[store].subarray(2 * target, 2 * target + 2);
        const words = arena.subarray(record);
        // Sinks do not move the sections' offsets, which the record itself holds.
        const { block: { sides } } = unpackBanded(layout, words, {
          tables: tables[store],
          hasSinks: false,
        });
        for (const [side, own] of sides.entries()) {
          for (let channel = 0; channel < layout.channelCount; channel++) {
            const kept = keptChannels?.[store][channel >> 5] ?? 0xffffffff;
            if (side === KEY && ((kept >>> (channel & 31)) & 1) === 0) continue;
            const from = channel * BLOCK_TOKEN_COUNT;
            codes[side * sideBytes + from + target] = own.codes[from + place];
          }
          scratch.params[(entry * 2 + side) * BLOCK_TOKEN_COUNT + target] = own.params[place];
        }
      }
      if (sinkRecords === null) continue;
      const start = sinkRecords[store] + layout.sinksWord;
      scratch.sinks.set(arena.subarray(start, start + sinkWords), entry * sinkWords);
    }
  }
}
