import type { BlockValues } from "../../codec/codec.ts";
import type { XquantLayout } from "../../codec/xquant/layout.ts";
import { xquantValues } from "../../codec/xquant/record.ts";
import { type UnpackedBlocks, unpackedTiles } from "./paper.ts";

/** Inputs of {@link blockUnpackXquantReference}. */
export interface BlockUnpackXquantInputs extends UnpackedBlocks {
  layout: XquantLayout;
  /** Whether the records have codes; else those that end the record before each are read. */
  hasCodes: boolean;
  arena: Uint32Array;
}

/** Reference of `block_unpack/xquant`: raw tiles `[blockCount][tileWords]`, bit for bit. */
export function blockUnpackXquantReference(inputs: BlockUnpackXquantInputs): Uint32Array {
  return unpackedTiles(inputs.layout, inputs, ({ word }) => valuesInArena(inputs, word));
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
