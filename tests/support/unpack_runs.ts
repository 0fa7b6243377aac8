/** Runs of the kernels that unpack records, segment by segment. */

import { assert } from "@std/assert";
import { rawTileWords } from "../../src/codec/record.ts";
import { ENTRY_WORDS, ROW_WORDS } from "../../src/core/row.ts";
import { type BlockUnpackBuffers, createSegments } from "../../src/kernels/block_unpack/paper.ts";
import { assertSameBits, type AttentionCase } from "./attention_case.ts";
import { readU32, submitPass, testGpu } from "./gpu.ts";

/** Lengths of slots of {@link assertUnpacks}: slot 1 has 7 sealed blocks. */
export const UNPACK_LENGTHS = [300, 580];

/** Blocks of slot 1 that a segment has. */
interface Segment {
  arena: Uint32Array;
  directory: Uint32Array;
  firstBlock: number;
  blockCount: number;
}

/**
 * Fails unless segments of 4 blocks and of 3 are unpacked to the bits of a reference, and nothing
 * behind them is written.
 *
 * @param run `encode`: unpacks 4 blocks of the buffers. `reference`: what is expected.
 */
export async function assertUnpacks(
  { shape, arena, rows, directory, blockCountMax }: AttentionCase,
  run: {
    encode: (pass: GPUComputePassEncoder, buffers: BlockUnpackBuffers) => void;
    reference: (segment: Segment) => Uint32Array;
  },
): Promise<void> {
  const gpu = await testGpu();
  const wordCount = 4 * rawTileWords(shape);
  const segments = createSegments(gpu, { segmentCount: 2, blocksPerSegment: 4 });
  for (const [index, segment] of segments.entries()) {
    const tiles = gpu.createBuffer("tiles", wordCount * 4);
    const buffers = {
      rows: gpu.createBufferWith("rows", rows.slice(ROW_WORDS)),
      arena: gpu.createBufferWith("arena", arena),
      directory: gpu.createBufferWith("directory", directory),
      segment,
      tiles,
    };
    submitPass(gpu, (pass) => run.encode(pass, buffers));
    const expected = run.reference({
      arena,
      directory: directory.subarray(blockCountMax * ENTRY_WORDS),
      firstBlock: index * 4,
      blockCount: index === 0 ? 4 : 3,
    });
    const actual = await readU32(gpu, tiles, wordCount);
    assertSameBits(actual.subarray(0, expected.length), expected);
    const behind = actual.slice(expected.length);
    assert(behind.every((word) => word === 0), "only sealed blocks written");
  }
}
