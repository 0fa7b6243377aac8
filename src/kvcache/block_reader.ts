/**
 * Reading sealed blocks: what attention records for those of a cache, whatever their codec.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import type { BufferSlice, Gpu } from "../gpu/gpu.ts";
import { AttentionPrefillKernel } from "../kernels/attention_prefill/raw.ts";
import { createSegments } from "../kernels/block_unpack/paper.ts";
import {
  type AttentionShape,
  sealedSplitCount,
  type SplitShape,
} from "../kernels/text/attention.ts";
import { divCeil, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { KvCache } from "./kv_cache.ts";
import type { SliceScorer } from "./slice_scorer.ts";

/** Device bytes of scratch for unpacked tiles; at least one split is held whatever its size. */
const SCRATCH_SIZE_BYTES_MAX = 64 * 2 ** 20;

/** Attends rows to sealed blocks, as partial results per split. */
export interface BlockReader {
  /**
   * Encodes one layer.
   *
   * @param counts `listCount`: most records that a row reads. `isChosen`: they read the chosen
   * lists; readers of decode rows alone. `slice`: which of the slices, the first if left out.
   */
  encode(
    pass: GPUComputePassEncoder,
    layer: number,
    counts: { rowCount: number; listCount: number; isChosen?: boolean; slice?: number },
  ): void;
  /**
   * Encodes the sums of attention that tokens of a layer got from the rows that {@link encode} was
   * called for last; readers of slices alone.
   */
  encodeScores?(pass: GPUComputePassEncoder, layer: number, listCount: number): void;
  /** Frees its buffers. */
  destroy(): void;
}

/** What the rows of a group are read from and written to. */
export interface ReaderOptions {
  shape: AttentionShape;
  splits: SplitShape;
  cache: KvCache;
  /** f32 `[rows, queryHeadCount * headSize]`, after RoPE. */
  q: GPUBuffer;
  /** The rows as a layer reads them, u32 `[rows][ROW_WORDS]`. */
  rowsOf: (layer: number) => GPUBuffer;
  /** f32 `[row][query head][splitCountMax][headSize + 2]`. */
  partials: GPUBuffer;
  /** The rows as they read lists that are made for each of their heads; null if none are. */
  chosen?: ChosenLists | null;
}

/** Read lists of rows and KV heads, the same buffers for all layers. */
export interface ChosenLists {
  /** u32 `[rows][ROW_WORDS]`. */
  rows: GPUBuffer;
  /** u32 `[rows][kvHeadCount][blockCountMax][ENTRY_WORDS]`. */
  lists: GPUBuffer;
}

/** The same for slices, whose rows are of one sequence. */
export interface SliceReaderOptions extends ReaderOptions {
  /** u32 `[2]` of each slice: row behind its last, and its first. */
  slices: readonly (GPUBuffer | BufferSlice)[];
  /** Sums up what tokens got from rows; null if nobody asks. */
  scorer: SliceScorer | null;
}

/** Makes the readers of one cache's blocks. */
export interface BlockReaders {
  /** Of rows of different sequences. Null if no kernel reads records so: each row is a slice. */
  readonly decode: ((options: ReaderOptions) => Promise<BlockReader>) | null;
  /**
   * Of rows of different sequences, what their tokens weigh: `partials` are m and l of each block,
   * f32 `[row][query head][splitCountMax][2]`. Null if no kernel reads keys alone.
   */
  readonly score: ((options: ReaderOptions) => Promise<BlockReader>) | null;
  /** Of slices. If there are several, slice i is row i. */
  slice(options: SliceReaderOptions): Promise<BlockReader>;
  /** What unpacks the records that a list names to raw tiles; null if they are raw tiles. */
  unpacker(options: { rows: GPUBuffer; tiles: GPUBuffer }): Promise<RecordUnpacker | null>;
  /** Frees what its readers share. */
  destroy(): void;
}

/** Unpacks records of a store to raw tiles. */
export interface RecordUnpacker {
  /** Encodes the first `blockCount` entries of the list of row 0, to tiles from the first on. */
  encode(pass: GPUComputePassEncoder, store: number, blockCount: number): void;
  /** Frees its buffers. */
  destroy(): void;
}

/** A kernel that attends to blocks where they lie. */
interface AttendKernel {
  encode(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    grid: { rowCount: number; splitCount: number },
  ): void;
}

/** The rows that are bound, and where their read lists are. */
type Reads = Pick<UnpackBuffers, "rows"> & { directory: GPUBuffer | BufferSlice };

/** Attends to blocks where they lie; `bind` gives the bound buffers of the layer of a store. */
export function directReader(
  { cache, splits, rowsOf, chosen = null }: ReaderOptions,
  kernel: AttendKernel,
  bind: (layer: number, reads: Reads) => GPUBindGroup,
): BlockReader {
  const { stores } = cache.shape;
  const bound = stores.map(({ layer }) =>
    bind(layer, { rows: rowsOf(layer), directory: cache.directoryOf(layer) })
  );
  const boundChosen = chosen &&
    stores.map(({ layer }) => bind(layer, { rows: chosen.rows, directory: chosen.lists }));
  return {
    encode(pass, layer, { rowCount, listCount, isChosen = false }) {
      const splitCount = sealedSplitCount(listCount, splits);
      const own = isChosen ? boundChosen : bound;
      invariant(own !== null, "rows that choose have lists of their own");
      kernel.encode(pass, own[cache.storeOf(layer)], { rowCount, splitCount });
    },
    destroy() {},
  };
}

/** Buffers of every kernel that attends to records where they lie. */
type RecordBuffers =
  & Pick<ReaderOptions, "q" | "partials">
  & Pick<UnpackBuffers, "arena">
  & Reads;

/**
 * Readers of packed records: a decode row attends to them where they lie, a slice unpacks them.
 *
 * @param make The codec's kernels, and what they bind beside the common buffers.
 */
export function recordReaders<Own, Bound>(
  gpu: Gpu,
  cache: KvCache,
  make: {
    /** Null if nothing does. */
    attend:
      | ((
        options: ReaderOptions,
      ) => Promise<AttendKernel & { bind(buffers: RecordBuffers & Own): GPUBindGroup }>)
      | null;
    /** What leaves the softmax of each block's scores; left out if nothing does. */
    score?: (
      options: ReaderOptions,
    ) => Promise<AttendKernel & { bind(buffers: RecordBuffers & Own): GPUBindGroup }>;
    unpack: () => Promise<UnpackKernel<UnpackBuffers & Own, Bound>>;
    /** Of the layer of a store. */
    ownOf: (layer: number) => Own;
    /** First tokens of a sequence that its first record has apart; none if left out. */
    sinkCount?: number;
    /** Frees what `ownOf` gives. */
    destroy?: () => void;
  },
): BlockReaders {
  type RowsKernel = Awaited<ReturnType<NonNullable<typeof make.attend>>>;
  const ofRows = (options: ReaderOptions, kernel: RowsKernel) => {
    const { q, partials } = options;
    return directReader(options, kernel, (layer, reads) => {
      const arena = cache.arenaOf(layer);
      return kernel.bind({ q, arena, partials, ...reads, ...make.ownOf(layer) });
    });
  };
  const { attend, score } = make;
  return {
    decode: attend === null ? null : async (options) => ofRows(options, await attend(options)),
    score: score === undefined ? null : async (options) => ofRows(options, await score(options)),
    async slice(options) {
      return await unpackingReader(gpu, options, { ...make, kernel: await make.unpack() });
    },
    async unpacker({ rows, tiles }) {
      const kernel = await make.unpack();
      const [segment] = createSegments(gpu, { segmentCount: 1, blocksPerSegment: 0 });
      const bound = cache.shape.stores.map(({ layer }) => {
        const [arena, directory] = [cache.arenaOf(layer), cache.directoryOf(layer)];
        return kernel.bind({ rows, arena, directory, segment, tiles, ...make.ownOf(layer) });
      });
      return {
        encode: (pass, store, blockCount) => kernel.encode(pass, bound[store], blockCount),
        destroy: () => gpu.destroyBuffer(segment.buffer),
      };
    },
    destroy: make.destroy ?? (() => {}),
  };
}

/** Unpacks blocks of a layer to raw tiles. */
interface UnpackKernel<Buffers, Bound> {
  bind(buffers: Buffers): Bound;
  encode(pass: GPUComputePassEncoder, bound: Bound, blockCount: number): void;
}

/** Buffers of every kernel that unpacks. */
interface UnpackBuffers {
  rows: GPUBuffer;
  arena: GPUBuffer;
  directory: ReturnType<KvCache["directoryOf"]>;
  segment: ReturnType<typeof createSegments>[number];
  tiles: GPUBuffer;
}

/**
 * Unpacks blocks to scratch once per layer, a segment at a time, and attends to the raw tiles.
 *
 * @param codec `ownOf`: what the kernel binds for a layer beside the common buffers.
 */
async function unpackingReader<Own, Bound>(
  gpu: Gpu,
  options: SliceReaderOptions,
  { kernel: unpack, ownOf, sinkCount = 0 }: {
    kernel: UnpackKernel<UnpackBuffers & Own, Bound>;
    ownOf: (layer: number) => Own;
    sinkCount?: number;
  },
): Promise<BlockReader> {
  const { shape, splits, cache, q, rowsOf, slices, partials } = options;
  const { blockCountMax } = cache.shape;
  const { blocksPerSegment, tileBytes } = segmentSize(gpu, options);
  const segmentCount = divCeil(blockCountMax, blocksPerSegment);
  const tiles = gpu.createBuffer("unpacked tiles", blocksPerSegment * tileBytes);
  const rowCount = slices.length;
  const segments = createSegments(gpu, { segmentCount, blocksPerSegment, rowCount });
  const attended = { shape, splits, source: "scratch", sinkCount } as const;
  const attend = await AttentionPrefillKernel.create(gpu, attended);
  const boundUnpack = cache.shape.stores.map(({ layer }) => {
    const [arena, directory] = [cache.arenaOf(layer), cache.directoryOf(layer)];
    const rows = rowsOf(layer);
    return segments.map((segment) =>
      unpack.bind({ rows, arena, directory, segment, tiles, ...ownOf(layer) })
    );
  });
  const boundAttend = cache.shape.stores.map(({ layer }) =>
    segments.map((segment, index) => {
      const rows = rowsOf(layer);
      const slice = slices[Math.floor(index / segmentCount)];
      const directory = cache.directoryOf(layer);
      return attend.bind({ q, rows, slice, tiles, segment, directory, partials });
    })
  );
  const scored = await options.scorer?.bindSealed("scratch", {
    tiles,
    segments,
    blocksPerSegment,
  });
  return {
    encodeScores(pass, layer, listCount) {
      const store = cache.storeOf(layer);
      for (let index = 0; index * blocksPerSegment < listCount; index++) {
        const count = Math.min(blocksPerSegment, listCount - index * blocksPerSegment);
        // The tiles of a single segment are still there.
        if (listCount > blocksPerSegment) unpack.encode(pass, boundUnpack[store][index], count);
        scored?.encode(pass, { layer, segment: index, blockCount: count });
      }
    },
    encode(pass, layer, { rowCount, listCount, slice = 0 }) {
      const store = cache.storeOf(layer);
      for (let index = 0; index * blocksPerSegment < listCount; index++) {
        const count = Math.min(blocksPerSegment, listCount - index * blocksPerSegment);
        const segment = slice * segmentCount + index;
        unpack.encode(pass, boundUnpack[store][segment], count);
        const splitCount = sealedSplitCount(count, splits);
        attend.encode(pass, boundAttend[store][segment], { rowCount, splitCount });
      }
    },
    destroy() {
      gpu.destroyBuffer(tiles);
      gpu.destroyBuffer(segments[0].buffer);
    },
  };
}

function segmentSize(gpu: Gpu, { splits, cache }: ReaderOptions) {
  const { blockCountMax, tileWords } = cache.shape;
  const tileBytes = tileWords * WORD_SIZE_BYTES;
  const scratchBytes = Math.min(SCRATCH_SIZE_BYTES_MAX, gpu.facts.bindingSizeMax);
  const splitsPerSegment = Math.max(
    1,
    Math.floor(scratchBytes / tileBytes / splits.blocksPerSplit),
  );
  const splitCount = Math.min(splitsPerSegment, sealedSplitCount(blockCountMax, splits));
  return { blocksPerSegment: splitCount * splits.blocksPerSplit, tileBytes };
}
