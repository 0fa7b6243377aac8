import type { BlockValues } from "../../codec/codec.ts";
import { rawTileFrom } from "../../codec/raw_tile.ts";
import type { XquantLayout } from "../../codec/xquant/layout.ts";
import { xquantValues } from "../../codec/xquant/record.ts";
import { readEntry } from "../../core/row.ts";

/** Inputs of {@link blockUnpackXquantReference}. */
export interface BlockUnpackXquantInputs {
  layout: XquantLayout;
  /** Whether the records have codes; else those that end the record before each are read. */
  hasCodes: boolean;
  arena: Uint32Array;
  /** Read list of `ENTRY_WORDS` an entry. */
  directory: Uint32Array;
  firstBlock: number;
  blockCount: number;
}

/** Largest finite f16. */
const F16_MAX = 65504;

/** Reference of `block_unpack/xquant`: raw tiles `[blockCount][tileWords]`, bit for bit. */
export function blockUnpackXquantReference(inputs: BlockUnpackXquantInputs): Uint32Array {
  const { layout, directory, firstBlock, blockCount } = inputs;
  const tiles = Array.from({ length: blockCount }, (_, index) => {
    const { word } = readEntry(directory, firstBlock + index);
    const { keys, values } = valuesInArena(inputs, word);
    return rawTileFrom(layout, clipped(keys), clipped(values));
  });
  const words = new Uint32Array(tiles.reduce((sum, tile) => sum + tile.length, 0));
  for (const [index, tile] of tiles.entries()) words.set(tile, index * tile.length);
  return words;
}

/** What the record at a word of an arena stands for. */
export function valuesInArena(
  { layout, hasCodes, arena }: Pick<BlockUnpackXquantInputs, "layout" | "hasCodes" | "arena">,
  word: number,
): BlockValues {
  const record = arena.subarray(word, word + layout.recordWords(hasCodes));
  const codes = word + layout.codeStart(hasCodes);
  return xquantValues(layout, record, arena.subarray(codes, codes + layout.codeWords));
}

function clipped(values: ArrayLike<number>): Float32Array {
  return Float32Array.from(values, (value) => Math.max(-F16_MAX, Math.min(F16_MAX, value)));
}
