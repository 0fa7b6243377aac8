import type { BandedLayout } from "../../codec/banded/layout.ts";
import type { BandedTables } from "../../codec/banded/tables.ts";
import { bandedValues } from "../../codec/banded/values.ts";
import { KEY, VALUE } from "../../codec/record.ts";
import { type UnpackedBlocks, unpackedTiles } from "./paper.ts";

/** Inputs of {@link blockUnpackBandedReference}. */
export interface BlockUnpackBandedInputs extends UnpackedBlocks {
  layout: BandedLayout;
  tables: BandedTables;
  arena: Uint32Array;
}

/** Reference of `shaders/block_unpack/banded.wgsl`: raw tiles `[blockCount][tileWords]`. */
export function blockUnpackBandedReference(inputs: BlockUnpackBandedInputs): Uint32Array {
  const { layout, arena } = inputs;
  return unpackedTiles(layout, inputs, ({ word, isFirst }) => {
    const hasSinks = isFirst && layout.sinkCount > 0;
    const sides = bandedValues(inputs, arena.subarray(word), hasSinks);
    return { keys: sides[KEY], values: sides[VALUE] };
  });
}
