import type { DeltaKvLayout } from "../../codec/deltakv/layout.ts";
import { deltaKvValues } from "../../codec/deltakv/record.ts";
import { type UnpackedBlocks, unpackedTiles } from "./paper.ts";

/** Inputs of {@link blockUnpackDeltaKvReference}. */
export interface BlockUnpackDeltaKvInputs extends UnpackedBlocks {
  layout: DeltaKvLayout;
  /** `turnWords` of the layer. */
  turns: Uint32Array;
  arena: Uint32Array;
}

/** Reference of `block_unpack/deltakv`: raw tiles `[blockCount][tileWords]`, bit for bit. */
export function blockUnpackDeltaKvReference(inputs: BlockUnpackDeltaKvInputs): Uint32Array {
  const { layout, turns, arena } = inputs;
  return unpackedTiles(
    layout,
    inputs,
    ({ word }) => deltaKvValues(layout, arena.subarray(word), turns),
  );
}
