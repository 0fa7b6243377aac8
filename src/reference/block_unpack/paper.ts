import type { PaperLayout } from "../../codec/paper/layout.ts";
import { readEntry } from "../../core/row.ts";
import { rawTileFrom } from "../../codec/raw_tile.ts";
import { tokensOfRecord } from "../attention_decode/paper.ts";

/** Inputs of {@link blockUnpackPaperReference}. */
export interface BlockUnpackInputs {
  layout: PaperLayout;
  arena: Uint32Array;
  /** One read list, of `ENTRY_WORDS` an entry. */
  directory: Uint32Array;
  firstBlock: number;
  blockCount: number;
}

/** Largest finite f16. */
const F16_MAX = 65504;

/** Reference of `block_unpack/paper`: raw tiles `[blockCount][tileWords]`, bit for bit. */
export function blockUnpackPaperReference(inputs: BlockUnpackInputs): Uint32Array {
  const { layout, arena, directory, firstBlock, blockCount } = inputs;
  const tiles = Array.from({ length: blockCount }, (_, index) => {
    const { word } = readEntry(directory, firstBlock + index);
    const record = arena.subarray(word);
    const { keys, values } = tokensOfRecord(layout, record);
    return rawTileFrom(layout, roundAsDevice(keys), roundAsDevice(values));
  });
  const words = new Uint32Array(tiles.reduce((sum, tile) => sum + tile.length, 0));
  for (const [index, tile] of tiles.entries()) words.set(tile, index * tile.length);
  return words;
}

/** The product rounded to f32, then clipped to the range of f16. */
function roundAsDevice(values: ArrayLike<number>): Float32Array {
  return Float32Array.from(values, (value) => Math.max(-F16_MAX, Math.min(F16_MAX, value)));
}
