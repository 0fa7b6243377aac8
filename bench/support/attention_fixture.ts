/** The cache that the attention benches run on: the default model's heads at a depth of 4,096. */

import { rowWords } from "../../src/core/row.ts";
import { partialsWords, sealedSplitCount } from "../../src/kernels/text/attention.ts";
import {
  caseShape,
  makeAttentionCase,
  rowOf,
  type SealedForm,
} from "../../tests/support/attention_case.ts";
import { seededNormals } from "../../tests/support/numeric.ts";
import type { Gpu } from "../../src/gpu/gpu.ts";

/** Sealed blocks of the one sequence; two tiles of window follow. */
export const BLOCK_COUNT = 64;
/** Rows that buffers have room for. */
export const ROW_COUNT_MAX = 64;

/** Heads and splits. */
export const SHAPE = caseShape({ kvHeadCount: 3, groupSize: 3, headSize: 64 }, {
  blocksPerSplit: 4,
  blockCountMax: BLOCK_COUNT + 2,
});

/** Splits of the sealed blocks. */
export const SPLIT_COUNT = sealedSplitCount(BLOCK_COUNT, SHAPE);

/** Multiplications of one row over the sealed blocks. */
export const ROW_MACS = 2 * BLOCK_COUNT * 64 * SHAPE.queryHeadCount * SHAPE.headSize;

/** The profile of the published setting. */
export const PAPER = { packSize: 16, keyRel: 0.1, valueRel: 0.2 } as const;

/** Buffers of a cache whose blocks are stored in `form`, with a slice of 64 rows at its end. */
export function attentionFixture(gpu: Gpu, form: SealedForm) {
  const length = (BLOCK_COUNT + 2) * 64;
  const attention = makeAttentionCase(SHAPE, [length], form);
  const rows = rowWords(Array.from({ length: ROW_COUNT_MAX }, (_, row) => {
    const position = length - ROW_COUNT_MAX + row;
    return rowOf({ slot: 0, position, blockCount: BLOCK_COUNT }, attention.blockCountMax);
  }));
  const width = SHAPE.queryHeadCount * SHAPE.headSize;
  const partialsSize = partialsWords(SHAPE, SHAPE, ROW_COUNT_MAX) * 4;
  return {
    attention,
    q: gpu.createBufferWith("q", seededNormals(ROW_COUNT_MAX * width, 1)),
    rows: gpu.createBufferWith("rows", rows),
    slice: gpu.createBufferWith("slice", Uint32Array.of(ROW_COUNT_MAX, 0)),
    arena: gpu.createBufferWith("arena", attention.arena),
    directory: gpu.createBufferWith("directory", attention.directory),
    partials: gpu.createBuffer("partials", partialsSize),
    out: gpu.createBuffer("out", ROW_COUNT_MAX * width * 4),
    arenaBytes: attention.arena.byteLength,
  };
}
