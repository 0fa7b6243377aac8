import type { Row } from "../core/row.ts";
import { BINDING_ALIGNMENT_BYTES, type BufferSlice, type Gpu } from "../gpu/gpu.ts";
import { divCeil, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { QUERY_COUNT_MAX } from "../kernels/attention_prefill/raw.ts";
import type { BlockReader } from "../kvcache/block_reader.ts";
import {
  type AttentionOptions,
  cacheSplits,
  createPartials,
  readCounts,
} from "./attention_splits.ts";
import type { Attention } from "./layer_stack.ts";
import type { RowGroup } from "./row_group.ts";
import { type SliceLayer, sliceLayers } from "./slice_layers.ts";

interface Parts {
  group: RowGroup;
  partials: GPUBuffer;
  /** u32 `[2]` of each row: the row behind it, and itself. */
  slices: readonly BufferSlice[];
  sealed: BlockReader;
  layers: readonly SliceLayer[];
}

/**
 * Attention of single rows, each a slice of its own: packed blocks are unpacked to scratch first.
 * For latents, of which all query heads read one head, more than single rows take otherwise, and
 * for records that no kernel reads for single rows.
 */
export class RowSlicesAttention implements Attention {
  #gpu: Gpu;
  #parts: Parts;

  private constructor(gpu: Gpu, parts: Parts) {
    this.#gpu = gpu;
    this.#parts = parts;
  }

  /** Compiles for a cache and binds every layer of it. */
  static async create(gpu: Gpu, options: AttentionOptions): Promise<RowSlicesAttention> {
    const { sealedShape: shape, cache, group, readers } = options;
    const { q, rowCountMax } = group;
    const rowsOf = (layer: number) => group.rowsOf(layer);
    // A workgroup may write what queries behind its row get.
    const rowCount = rowCountMax + divCeil(QUERY_COUNT_MAX, shape.queryHeadCount);
    const splits = cacheSplits(gpu, options, rowCount);
    const partials = createPartials(gpu, options, splits, rowCount);
    const slices = createSlices(gpu, rowCountMax);
    const common = { shape, splits, cache, q, rowsOf, partials };
    const sealed = await readers.slice({ ...common, slices, scorer: null });
    const layers = await sliceLayers(gpu, options, { splits, partials, slices });
    return new RowSlicesAttention(gpu, { group, partials, slices, sealed, layers });
  }

  encode(pass: GPUComputePassEncoder, layer: number, rows: readonly Row[]): void {
    const { group, sealed, layers } = this.#parts;
    const { window, boundWindow, merge } = layers[layer];
    for (const [slice, row] of rows.entries()) {
      const { listCount, tileCount } = readCounts([row], group.sightOf(layer));
      sealed.encode(pass, layer, { rowCount: 1, listCount, slice });
      window.encode(pass, boundWindow[slice], { rowCount: 1, splitCount: tileCount });
    }
    merge(pass, rows.length);
  }

  destroy(): void {
    const { sealed, partials, slices: [{ buffer }] } = this.#parts;
    sealed.destroy();
    for (const each of [partials, buffer]) this.#gpu.destroyBuffer(each);
  }
}

/** Each row as a slice. */
function createSlices(gpu: Gpu, rowCount: number): BufferSlice[] {
  const stride = BINDING_ALIGNMENT_BYTES / WORD_SIZE_BYTES;
  const words = new Uint32Array(rowCount * stride);
  for (let row = 0; row < rowCount; row++) words.set([row + 1, row], row * stride);
  const buffer = gpu.createBufferWith("rows as slices", words);
  return Array.from({ length: rowCount }, (_, row) => {
    return { buffer, offset: row * BINDING_ALIGNMENT_BYTES, size: 2 * WORD_SIZE_BYTES };
  });
}
