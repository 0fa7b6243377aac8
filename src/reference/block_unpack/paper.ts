import type { BlockValues } from "../../codec/codec.ts";
import { clipToF16 } from "../../codec/f16.ts";
import type { PaperLayout } from "../../codec/paper/layout.ts";
import { type HeadShape, rawTileFrom } from "../../codec/raw_tile.ts";
import { type ListEntry, readEntry } from "../../core/row.ts";
import { tokensOfRecord } from "../attention_decode/paper.ts";

/** Blocks of a read list that are unpacked. */
export interface UnpackedBlocks {
  /** One read list, of `ENTRY_WORDS` an entry. */
  directory: Uint32Array;
  firstBlock: number;
  blockCount: number;
}

/** Inputs of {@link blockUnpackPaperReference}. */
export interface BlockUnpackInputs extends UnpackedBlocks {
  layout: PaperLayout;
  arena: Uint32Array;
}

/** Reference of `block_unpack/paper`: raw tiles `[blockCount][tileWords]`, bit for bit. */
export function blockUnpackPaperReference(inputs: BlockUnpackInputs): Uint32Array {
  const { layout, arena } = inputs;
  return unpackedTiles(layout, inputs, ({ word }) => tokensOfRecord(layout, arena.subarray(word)));
}

/**
 * Raw tiles `[blockCount][tileWords]` of blocks, their values clipped to the range of f16.
 *
 * @param valuesOf What the record of an entry stands for, each an f32.
 */
export function unpackedTiles(
  shape: HeadShape,
  { directory, firstBlock, blockCount }: UnpackedBlocks,
  valuesOf: (entry: ListEntry) => BlockValues,
): Uint32Array {
  const tiles = Array.from({ length: blockCount }, (_, index) => {
    const { keys, values } = valuesOf(readEntry(directory, firstBlock + index));
    return rawTileFrom(shape, clipped(keys), clipped(values));
  });
  const words = new Uint32Array(tiles.reduce((sum, tile) => sum + tile.length, 0));
  for (const [index, tile] of tiles.entries()) words.set(tile, index * tile.length);
  return words;
}

function clipped(values: ArrayLike<number>): Float32Array {
  return Float32Array.from(values, clipToF16);
}
