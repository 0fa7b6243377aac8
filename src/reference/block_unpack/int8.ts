import type { Int8Layout } from "../../codec/int8/layout.ts";
import { int8Values } from "../../codec/int8/record.ts";
import { type UnpackedBlocks, unpackedTiles } from "./paper.ts";

/** Inputs of {@link blockUnpackInt8Reference}. */
export interface BlockUnpackInt8Inputs extends UnpackedBlocks {
  layout: Int8Layout;
  arena: Uint32Array;
}

/** Reference of `block_unpack/int8`: raw tiles `[blockCount][tileWords]`, bit for bit. */
export function blockUnpackInt8Reference(inputs: BlockUnpackInt8Inputs): Uint32Array {
  const { layout, arena } = inputs;
  return unpackedTiles(
    layout,
    inputs,
    ({ word }) => int8Values(layout, arena.subarray(word, word + layout.recordWords)),
  );
}
