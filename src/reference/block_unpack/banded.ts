import type { BandedLayout } from "../../codec/banded/layout.ts";
import type { BandedTables } from "../../codec/banded/tables.ts";
import { bandedValues } from "../../codec/banded/values.ts";
import { KEY, VALUE } from "../../codec/record.ts";
import { readEntry } from "../../core/row.ts";
import { rawTileFrom } from "../../codec/raw_tile.ts";

/** Inputs of {@link blockUnpackBandedReference}. */
export interface BlockUnpackBandedInputs {
  layout: BandedLayout;
  tables: BandedTables;
  arena: Uint32Array;
  /** One read list, of `ENTRY_WORDS` an entry. */
  directory: Uint32Array;
  firstBlock: number;
  blockCount: number;
}

/** Largest finite f16. */
const F16_MAX = 65504;

/** Reference of `shaders/block_unpack/banded.wgsl`: raw tiles `[blockCount][tileWords]`. */
export function blockUnpackBandedReference(inputs: BlockUnpackBandedInputs): Uint32Array {
  const { layout, arena, directory, firstBlock, blockCount } = inputs;
  const tiles = Array.from({ length: blockCount }, (_, index) => {
    const { word, isFirst } = readEntry(directory, firstBlock + index);
    const record = arena.subarray(word);
    const hasSinks = isFirst && layout.sinkCount > 0;
    const sides = bandedValues(inputs, record, hasSinks);
    return rawTileFrom(layout, sides[KEY].map(clip), sides[VALUE].map(clip));
  });
  const words = new Uint32Array(tiles.reduce((sum, tile) => sum + tile.length, 0));
  for (const [index, tile] of tiles.entries()) words.set(tile, index * tile.length);
  return words;
}

function clip(value: number): number {
  return Math.max(-F16_MAX, Math.min(F16_MAX, value));
}
