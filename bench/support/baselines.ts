/** What the benches of a codec's kernels measure them beside. */

import { rawTileWords } from "../../src/codec/record.ts";
import type { BufferSlice } from "../../src/gpu/gpu.ts";
import { AttentionDecodeRawKernel } from "../../src/kernels/attention_decode/raw.ts";
import { BlockUnpackPaperKernel, createSegments } from "../../src/kernels/block_unpack/paper.ts";
import type { makeCodecCase } from "../../tests/support/codec_case.ts";
import { openQuantiser, type openWorkload } from "../codec/workload.ts";
import {
  attentionFixture,
  BLOCK_COUNT,
  PAPER,
  ROW_MACS,
  SHAPE,
  SPLIT_COUNT,
} from "./attention_fixture.ts";
import { benchKernel, type openBenchGpu, type Work } from "./bench_kernel.ts";

type Context = Awaited<ReturnType<typeof openBenchGpu>>;

/** Rows and splits of {@link benchRawDecode}. */
export const ONE_ROW = { rowCount: 1, splitCount: SPLIT_COUNT };
/** The same in words. */
export const OVER_TOKENS = `one row over ${BLOCK_COUNT * 64} sealed tokens`;

/** Registers {@link ONE_ROW} over raw blocks as the baseline of a group; returns its buffers. */
export async function benchRawDecode(
  context: Context,
  group: string,
): Promise<ReturnType<typeof attentionFixture>> {
  const fixture = attentionFixture(context.gpu, "raw");
  const { arena: tiles, q, rows, directory, partials } = fixture;
  const options = { shape: SHAPE, splits: SHAPE, source: "arena" } as const;
  const kernel = await AttentionDecodeRawKernel.create(context.gpu, options);
  const bound = kernel.bind({ q, rows, tiles, directory, partials });
  const work = { bytes: fixture.arenaBytes, macs: ROW_MACS };
  benchKernel("raw f16 blocks", { group, baseline: true, work }, context, (pass) => {
    kernel.encode(pass, bound, ONE_ROW);
  });
  return fixture;
}

/** Blocks of the segment that {@link benchPaperUnpack} unpacks. */
export const SEGMENT_BLOCK_COUNT = 16;

/** Where a segment is unpacked to. */
export interface UnpackTarget {
  segment: BufferSlice;
  tiles: GPUBuffer;
  tileBytes: number;
}

/** Registers unpacking of a segment of paper records as the baseline of a group. */
export async function benchPaperUnpack(context: Context, group: string): Promise<UnpackTarget> {
  const { gpu } = context;
  const tileBytes = SEGMENT_BLOCK_COUNT * rawTileWords(SHAPE) * 4;
  const tiles = gpu.createBuffer("tiles", tileBytes);
  const counts = { segmentCount: 1, blocksPerSegment: SEGMENT_BLOCK_COUNT };
  const [segment] = createSegments(gpu, counts);
  const fixture = attentionFixture(gpu, PAPER);
  const { blockCountMax, layout } = fixture.attention;
  const kernel = await BlockUnpackPaperKernel.create(gpu, { layout: layout! });
  const bound = kernel.bind({ ...fixture, segment, tiles });
  const recordBytes = fixture.arenaBytes / blockCountMax * SEGMENT_BLOCK_COUNT;
  const work = { bytes: recordBytes + tileBytes };
  benchKernel("paper records", { group, baseline: true, work }, context, (pass) => {
    kernel.encode(pass, bound, SEGMENT_BLOCK_COUNT);
  });
  return { segment, tiles, tileBytes };
}

/**
 * Registers unpacking of a segment of records beside {@link benchPaperUnpack}, in its group.
 *
 * @param own Records of two blocks more than the segment has.
 * @param bind Binds the kernel's buffers.
 */
export function benchUnpack(
  context: Context,
  { group, name, own, target }: {
    group: string;
    name: string;
    own: ReturnType<typeof makeCodecCase>;
    target: UnpackTarget;
  },
  { kernel, bind }: {
    kernel: { encode(pass: GPUComputePassEncoder, bound: GPUBindGroup, blockCount: number): void };
    bind: (
      buffers: Record<"rows" | "arena" | "directory" | "tiles", GPUBuffer> & {
        segment: BufferSlice;
      },
    ) => GPUBindGroup;
  },
): void {
  const { gpu } = context;
  const { segment, tiles, tileBytes } = target;
  const bound = bind({
    rows: gpu.createBufferWith("rows", own.rows),
    arena: gpu.createBufferWith("arena", own.arena),
    directory: gpu.createBufferWith("directory", own.directory),
    segment,
    tiles,
  });
  const work = { bytes: own.arena.byteLength + tileBytes };
  benchKernel(name, { group, work }, context, (pass) => {
    kernel.encode(pass, bound, SEGMENT_BLOCK_COUNT);
  });
}

/** Registers quantising of a workload with the published codec as the baseline of a group. */
export async function benchTokenRange(
  context: Context,
  workload: ReturnType<typeof openWorkload>,
  { group, work }: { group: string; work: Work },
): Promise<void> {
  const { kernel, bounds } = await openQuantiser(context.gpu, workload);
  const options = { group, baseline: true, work };
  benchKernel("steps by the range of a token", options, context, (pass) => {
    for (const bound of bounds) kernel.encode(pass, bound, 1);
  });
}
