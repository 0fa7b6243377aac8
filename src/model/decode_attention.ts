import { BLOCK_TOKEN_COUNT, divCeil } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { AttentionDecodeBandedKernel } from "../kernels/attention_decode/banded.ts";
import { AttentionDecodePaperKernel } from "../kernels/attention_decode/paper.ts";
import { AttentionDecodeRawKernel } from "../kernels/attention_decode/raw.ts";
import { AttentionMergeKernel } from "../kernels/attention_merge/head.ts";
import type { SplitShape } from "../kernels/text/attention.ts";
import { type AttentionOptions, createPartials, splitShape } from "./attention_splits.ts";
import type { Attention } from "./layer_stack.ts";
import type { Row } from "./row_group.ts";

interface Kernels {
  sealed: AttentionDecodeBandedKernel | AttentionDecodePaperKernel | AttentionDecodeRawKernel;
  window: AttentionDecodeRawKernel;
  merge: AttentionMergeKernel;
}

interface Bound {
  /** By layer. */
  sealed: readonly GPUBindGroup[];
  /** By layer. */
  window: readonly GPUBindGroup[];
  merge: GPUBindGroup;
}

/** Attention of single rows: sealed blocks and window tiles in splits, then merged. */
export class DecodeAttention implements Attention {
  #gpu: Gpu;
  #splits: SplitShape;
  #partials: GPUBuffer;
  #kernels: Kernels;
  #bound: Bound;

  private constructor(
    gpu: Gpu,
    parts: { splits: SplitShape; partials: GPUBuffer; kernels: Kernels; bound: Bound },
  ) {
    this.#gpu = gpu;
    this.#splits = parts.splits;
    this.#partials = parts.partials;
    this.#kernels = parts.kernels;
    this.#bound = parts.bound;
  }

  /** Compiles for a profile and binds every layer of a cache. */
  static async create(gpu: Gpu, options: AttentionOptions): Promise<DecodeAttention> {
    const { shape, cache } = options;
    const { blockCountMax } = cache.shape;
    const splits = splitShape(blockCountMax);
    const raw = { shape, splits, blockCountMax };
    const kernels: Kernels = {
      sealed: await createSealedKernel(gpu, options, splits),
      window: await AttentionDecodeRawKernel.create(gpu, { ...raw, source: "window" }),
      merge: await AttentionMergeKernel.create(gpu, { shape, splits }),
    };
    const partials = createPartials(gpu, options, splits);
    const bound = bindAll(kernels, options, partials);
    return new DecodeAttention(gpu, { splits, partials, kernels, bound });
  }

  record(pass: GPUComputePassEncoder, layer: number, rows: readonly Row[]): void {
    const rowCount = rows.length;
    const { blocksPerSplit } = this.#splits;
    const sealedSplits = rows.map(({ blockCount }) => divCeil(blockCount, blocksPerSplit));
    this.#kernels.sealed.record(pass, this.#bound.sealed[layer], {
      rowCount,
      splitCount: Math.max(...sealedSplits),
    });
    const windowTiles = rows.map(({ position, blockCount }) =>
      divCeil(position + 1, BLOCK_TOKEN_COUNT) - blockCount
    );
    this.#kernels.window.record(pass, this.#bound.window[layer], {
      rowCount,
      splitCount: Math.max(...windowTiles),
    });
    this.#kernels.merge.record(pass, this.#bound.merge, rowCount);
  }

  destroy(): void {
    this.#gpu.destroyBuffer(this.#partials);
  }
}

async function createSealedKernel(
  gpu: Gpu,
  { shape, codec, cache }: AttentionOptions,
  splits: SplitShape,
): Promise<Kernels["sealed"]> {
  const { blockCountMax } = cache.shape;
  const options = { shape, splits, blockCountMax };
  switch (codec.id) {
    case "raw":
      return await AttentionDecodeRawKernel.create(gpu, { ...options, source: "arena" });
    case "paper":
      return await AttentionDecodePaperKernel.create(gpu, { ...options, layout: codec.layout });
    case "banded":
      return await AttentionDecodeBandedKernel.create(gpu, { ...options, layout: codec.layout });
  }
}

function bindAll(
  { sealed, window, merge }: Kernels,
  { cache, group, tables }: AttentionOptions,
  partials: GPUBuffer,
): Bound {
  const { q, rows, attended: out } = group;
  return {
    sealed: cache.windows.map((_, layer) => {
      const arena = cache.arenaOf(layer);
      const directory = cache.directoryOf(layer);
      const common = { q, rows, directory, partials };
      if (sealed instanceof AttentionDecodeRawKernel) {
        return sealed.bind({ ...common, tiles: arena });
      }
      if (sealed instanceof AttentionDecodePaperKernel) return sealed.bind({ ...common, arena });
      return sealed.bind({ ...common, arena, tables: tables[layer] });
    }),
    window: cache.windows.map((tiles) => window.bind({ q, rows, tiles, partials })),
    merge: merge.bind({ rows, partials, out }),
  };
}
