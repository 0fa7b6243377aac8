/**
 * Summaries of the keys of sealed blocks, made when a block comes into a read list: of the record
 * as it lies in the arena, so that a block has the same one wherever it came from.
 *
 * @module
 */

import { NO_RECORD, ROW_WORDS, rowWords } from "../core/row.ts";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { BlockSummaryClustersKernel } from "../kernels/block_summary/clusters.ts";
import { BlockSummaryRangeKernel } from "../kernels/block_summary/range.ts";
import type { SummaryKind } from "../kernels/block_summary/sources.ts";
import type { LinkOp } from "../scheduler/step_plan.ts";
import type { BlockReaders, RecordUnpacker } from "./block_reader.ts";
import type { KvCache } from "./kv_cache.ts";

const KERNELS = { range: BlockSummaryRangeKernel, clusters: BlockSummaryClustersKernel } as const;

/** Entries that are unpacked together at most. */
const BLOCKS_PER_RUN = 8;

const ROW_BYTES = ROW_WORDS * WORD_SIZE_BYTES;

/** Entries of one slot's lists, one after the other. */
interface Run {
  slot: number;
  first: number;
  count: number;
}

interface Parts {
  cache: KvCache;
  kernel: BlockSummaryRangeKernel | BlockSummaryClustersKernel;
  /** By store that is summarised. */
  bound: ReadonlyMap<number, GPUBindGroup>;
  unpacker: RecordUnpacker | null;
  /** The row whose list is summarised. */
  rows: GPUBuffer;
  tiles: GPUBuffer | null;
}

/** Summarises what comes into the read lists of one cache. */
export class BlockSummaries {
  #gpu: Gpu;
  #parts: Parts;
  /** Rows of the runs of a step. */
  #runRows: GPUBuffer;

  private constructor(gpu: Gpu, parts: Parts) {
    this.#gpu = gpu;
    this.#parts = parts;
    this.#runRows = gpu.createBuffer("rows to summarise", ROW_BYTES);
  }

  /** Compiles for a cache and the readers of its blocks. */
  static async create(
    gpu: Gpu,
    { cache, readers, kind }: { cache: KvCache; readers: BlockReaders; kind: SummaryKind },
  ): Promise<BlockSummaries> {
    const { shape } = cache;
    const rows = gpu.createBuffer("row to summarise", ROW_BYTES);
    const tileBytes = shape.tileWords * WORD_SIZE_BYTES;
    const scratch = gpu.createBuffer("tiles to summarise", BLOCKS_PER_RUN * tileBytes);
    const unpacker = await readers.unpacker({ rows, tiles: scratch });
    if (unpacker === null) gpu.destroyBuffer(scratch);
    const source = unpacker === null ? "arena" : "scratch";
    const kernel = await KERNELS[kind].create(gpu, { shape, source });
    const bound = new Map<number, GPUBindGroup>();
    for (const [store, summaries] of cache.summaries.entries()) {
      if (summaries === null) continue;
      const { layer } = shape.stores[store];
      const tiles = unpacker === null ? cache.arenaOfStore(store) : scratch;
      const directory = cache.directoryOf(layer);
      bound.set(store, kernel.bind({ rows, directory, tiles, summaries }));
    }
    const tiles = unpacker === null ? null : scratch;
    return new BlockSummaries(gpu, { cache, kernel, bound, unpacker, rows, tiles });
  }

  /** Encodes the summaries of entries whose records are in the arena by then. */
  encode(encoder: GPUCommandEncoder, links: readonly LinkOp[]): void {
    const [summarised] = this.#parts.bound.keys();
    const runs = runsOf(
      links.filter(({ recordOffsets }) => recordOffsets[summarised] !== NO_RECORD),
    );
    if (runs.length === 0) return;
    const sizeBytes = runs.length * ROW_BYTES;
    if (this.#runRows.size < sizeBytes) {
      this.#gpu.destroyBuffer(this.#runRows);
      this.#runRows = this.#gpu.createBuffer("rows to summarise", 2 * sizeBytes);
    }
    const { cache, kernel, bound, unpacker, rows } = this.#parts;
    const { blockCountMax } = cache.shape;
    const none = { position: 0, firstWindowBlock: 0, idIndex: 0 };
    const words = rowWords(runs.map(({ slot, first, count }) => {
      return { ...none, slot, listStart: slot * blockCountMax + first, listCount: count };
    }));
    this.#gpu.write(this.#runRows, 0, words);
    for (const [index, { count }] of runs.entries()) {
      encoder.copyBufferToBuffer(this.#runRows, index * ROW_BYTES, rows, 0, ROW_BYTES);
      const pass = encoder.beginComputePass({ label: "summaries" });
      for (const [store, group] of bound) {
        unpacker?.encode(pass, store, count);
        kernel.encode(pass, group, count);
      }
      pass.end();
    }
  }

  /** Frees its buffers. */
  destroy(): void {
    const { unpacker, rows, tiles } = this.#parts;
    unpacker?.destroy();
    for (const buffer of [this.#runRows, rows, ...tiles === null ? [] : [tiles]]) {
      this.#gpu.destroyBuffer(buffer);
    }
  }
}

function runsOf(links: readonly Pick<LinkOp, "slot" | "listIndex">[]): Run[] {
  const runs: Run[] = [];
  for (const { slot, listIndex } of links) {
    const last = runs.at(-1);
    const isNext = last?.slot === slot && last.first + last.count === listIndex;
    if (last && isNext && last.count < BLOCKS_PER_RUN) last.count++;
    else runs.push({ slot, first: listIndex, count: 1 });
  }
  return runs;
}
