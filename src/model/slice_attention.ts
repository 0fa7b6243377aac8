import { BLOCK_TOKEN_COUNT, divCeil, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { BufferSlice, Gpu } from "../gpu/gpu.ts";
import { AttentionMergeKernel } from "../kernels/attention_merge/head.ts";
import { AttentionPrefillKernel } from "../kernels/attention_prefill/raw.ts";
import { BlockUnpackBandedKernel } from "../kernels/block_unpack/banded.ts";
import {
  type BlockUnpackBound,
  BlockUnpackPaperKernel,
  createSegments,
} from "../kernels/block_unpack/paper.ts";
import type { SplitShape } from "../kernels/text/attention.ts";
import { type AttentionOptions, createPartials, splitShape } from "./attention_splits.ts";
import type { Attention } from "./layer_stack.ts";
import type { Row } from "./row_group.ts";

/** Device bytes of scratch for unpacked tiles; at least one split is held whatever its size. */
const SCRATCH_SIZE_BYTES_MAX = 64 * 2 ** 20;

/** Attends to the sealed blocks of a slice's sequence, layer by layer. */
interface SealedBlocks {
  record(
    pass: GPUComputePassEncoder,
    layer: number,
    counts: { rowCount: number; blockCount: number },
  ): void;
  destroy(): void;
}

interface Parts {
  splits: SplitShape;
  partials: GPUBuffer;
  /** u32 `[1]`: rows of the slice. */
  sliceInfo: GPUBuffer;
  sealed: SealedBlocks;
  window: AttentionPrefillKernel;
  /** By layer. */
  boundWindow: readonly GPUBindGroup[];
  merge: AttentionMergeKernel;
  boundMerge: GPUBindGroup;
}

/** Attention of the rows of a slice: every loaded value serves many of them. */
export class SliceAttention implements Attention {
  #gpu: Gpu;
  #parts: Parts;

  private constructor(gpu: Gpu, parts: Parts) {
    this.#gpu = gpu;
    this.#parts = parts;
  }

  /** Compiles for a profile and binds every layer of a cache. */
  static async create(gpu: Gpu, options: AttentionOptions): Promise<SliceAttention> {
    const { shape, cache, group } = options;
    const { blockCountMax } = cache.shape;
    const splits = splitShape(blockCountMax);
    const partials = createPartials(gpu, options, splits);
    const sliceInfo = gpu.createBuffer("slice rows", WORD_SIZE_BYTES);
    const buffers: SliceBuffers = { partials, sliceInfo };
    const sealed = options.codec.id === "raw"
      ? await createRawBlocks(gpu, options, { splits, buffers })
      : await createPackedBlocks(gpu, options, { splits, buffers });
    const window = await AttentionPrefillKernel.create(gpu, {
      shape,
      splits,
      blockCountMax,
      source: "window",
    });
    const { q, rows, attended: out } = group;
    const boundWindow = cache.windows.map((tiles) =>
      window.bind({ q, rows, slice: sliceInfo, tiles, partials })
    );
    const merge = await AttentionMergeKernel.create(gpu, { shape, splits });
    const boundMerge = merge.bind({ rows, partials, out });
    return new SliceAttention(gpu, {
      splits,
      partials,
      sliceInfo,
      sealed,
      window,
      boundWindow,
      merge,
      boundMerge,
    });
  }

  record(pass: GPUComputePassEncoder, layer: number, rows: readonly Row[]): void {
    const { sealed, window, boundWindow, merge, boundMerge, sliceInfo } = this.#parts;
    const rowCount = rows.length;
    const { position, blockCount } = rows[rowCount - 1];
    if (layer === 0) this.#gpu.write(sliceInfo, 0, Uint32Array.of(rowCount));
    sealed.record(pass, layer, { rowCount, blockCount });
    const splitCount = divCeil(position + 1, BLOCK_TOKEN_COUNT) - blockCount;
    window.record(pass, boundWindow[layer], { rowCount, splitCount });
    merge.record(pass, boundMerge, rowCount);
  }

  destroy(): void {
    const { sealed, partials, sliceInfo } = this.#parts;
    sealed.destroy();
    for (const buffer of [partials, sliceInfo]) this.#gpu.destroyBuffer(buffer);
  }
}

interface SliceBuffers {
  partials: GPUBuffer;
  sliceInfo: GPUBuffer;
}

/** Profile `exact`: raw tiles are read where they lie. */
async function createRawBlocks(
  gpu: Gpu,
  { shape, cache, group }: AttentionOptions,
  { splits, buffers }: { splits: SplitShape; buffers: SliceBuffers },
): Promise<SealedBlocks> {
  const { blockCountMax } = cache.shape;
  const options = { shape, splits, blockCountMax, source: "arena" } as const;
  const kernel = await AttentionPrefillKernel.create(gpu, options);
  const { q, rows } = group;
  const { partials, sliceInfo: slice } = buffers;
  const bound = cache.windows.map((_, layer) => {
    const directory = cache.directoryOf(layer);
    return kernel.bind({ q, rows, slice, tiles: cache.arenaOf(layer), directory, partials });
  });
  return {
    record(pass, layer, { rowCount, blockCount }) {
      const splitCount = divCeil(blockCount, splits.blocksPerSplit);
      kernel.record(pass, bound[layer], { rowCount, splitCount });
    },
    destroy() {},
  };
}

/** Packing profiles: blocks are unpacked to scratch once per layer, a segment at a time. */
async function createPackedBlocks(
  gpu: Gpu,
  options: AttentionOptions,
  { splits, buffers }: { splits: SplitShape; buffers: SliceBuffers },
): Promise<SealedBlocks> {
  const { shape, cache, codec, group, tables } = options;
  if (codec.id === "raw") throw new TypeError("Cannot unpack: exact blocks are raw");
  const { blockCountMax, tileWords } = cache.shape;
  const tileBytes = tileWords * WORD_SIZE_BYTES;
  const scratchBytes = Math.min(SCRATCH_SIZE_BYTES_MAX, gpu.facts.bindingSizeMax);
  const splitsPerSegment = Math.max(
    1,
    Math.floor(scratchBytes / tileBytes / splits.blocksPerSplit),
  );
  const blocksPerSegment =
    Math.min(splitsPerSegment, divCeil(blockCountMax, splits.blocksPerSplit)) *
    splits.blocksPerSplit;
  const segmentCount = divCeil(blockCountMax, blocksPerSegment);
  const tiles = gpu.createBuffer("unpacked tiles", blocksPerSegment * tileBytes);
  const segments = createSegments(gpu, { segmentCount, blocksPerSegment });
  const unpack = codec.id === "banded"
    ? await BlockUnpackBandedKernel.create(gpu, { layout: codec.layout, blockCountMax })
    : await BlockUnpackPaperKernel.create(gpu, { layout: codec.layout, blockCountMax });
  const source = "scratch" as const;
  const attend = await AttentionPrefillKernel.create(gpu, { shape, splits, blockCountMax, source });
  const { q, rows } = group;
  const { partials, sliceInfo: slice } = buffers;
  const boundUnpack = cache.windows.map((_, layer): BlockUnpackBound[] => {
    const [arena, directory] = [cache.arenaOf(layer), cache.directoryOf(layer)];
    return segments.map((segment) => {
      const buffers = { rows, arena, directory, segment, tiles };
      return unpack instanceof BlockUnpackPaperKernel
        ? unpack.bind(buffers)
        : unpack.bind({ ...buffers, tables: tables[layer] });
    });
  });
  const boundAttend = segments.map((segment: BufferSlice) =>
    attend.bind({ q, rows, slice, tiles, segment, partials })
  );
  return {
    record(pass, layer, { rowCount, blockCount }) {
      for (let index = 0; index * blocksPerSegment < blockCount; index++) {
        const count = Math.min(blocksPerSegment, blockCount - index * blocksPerSegment);
        unpack.record(pass, boundUnpack[layer][index], count);
        const splitCount = divCeil(count, splits.blocksPerSplit);
        attend.record(pass, boundAttend[index], { rowCount, splitCount });
      }
    },
    destroy() {
      gpu.destroyBuffer(tiles);
      gpu.destroyBuffer(segments[0].buffer);
    },
  };
}
