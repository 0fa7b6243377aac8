import type { Int8Layout } from "../../codec/int8/layout.ts";
import { int8Values } from "../../codec/int8/record.ts";
import { readEntry } from "../../core/row.ts";
import { rawTileFrom } from "../../codec/raw_tile.ts";

/** Inputs of {@link blockUnpackInt8Reference}. */
export interface BlockUnpackInt8Inputs {
  layout: Int8Layout;
  arena: Uint32Array;
  /** Read list of `ENTRY_WORDS` an entry. */
  directory: Uint32Array;
  firstBlock: number;
  blockCount: number;
}

/** Largest finite f16. */
const F16_MAX = 65504;

/** Reference of `block_unpack/int8`: raw tiles `[blockCount][tileWords]`, bit for bit. */
export function blockUnpackInt8Reference(inputs: BlockUnpackInt8Inputs): Uint32Array {
  const { layout, arena, directory, firstBlock, blockCount } = inputs;
  const tiles = Array.from({ length: blockCount }, (_, index) => {
    const { word } = readEntry(directory, firstBlock + index);
    const record = arena.subarray(word, word + layout.recordWords);
    const { keys, values } = int8Values(layout, record);
    return rawTileFrom(layout, clipped(keys), clipped(values));
  });
  const words = new Uint32Array(tiles.reduce((sum, tile) => sum + tile.length, 0));
  for (const [index, tile] of tiles.entries()) words.set(tile, index * tile.length);
  return words;
}

function clipped(values: ArrayLike<number>): Float32Array {
  return Float32Array.from(values, (value) => Math.max(-F16_MAX, Math.min(F16_MAX, value)));
}
