import type { Row } from "../core/row.ts";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { ChainedPass } from "../gpu/command_chain.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { BlockReader } from "../kvcache/block_reader.ts";
import type { HostValues } from "../kvcache/host_values.ts";
import type { PromptScores } from "../kvcache/prompt_scores.ts";
import { type BoundScorer, SliceScorer } from "../kvcache/slice_scorer.ts";
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
  /** u32 `[2]`: rows of the slice, and its first: 0. */
  sliceInfo: GPUBuffer;
  sealed: BlockReader;
  layers: readonly SliceLayer[];
  /** What tokens got from the last queries of prompts; null if nobody asks. */
  scores: PromptScores | null;
  /** Sums it up for the window. */
  scored: BoundScorer | null;
  /** Values that come from host memory; null if all are in the arenas. */
  values: HostValues | null;
  storeOf: (layer: number) => number;
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
    const { sealedShape: shape, cache, group, readers } = options;
    const splits = cacheSplits(gpu, options);
    const partials = createPartials(gpu, options, splits);
    const sliceInfo = gpu.createBuffer("slice rows", 2 * WORD_SIZE_BYTES);
    const { q, rows } = group;
    const slice = sliceInfo;
    const sinksOf = options.weights.layers.map(({ attentionSinks }) => attentionSinks);
    const { scores = null } = options;
    const common = { shape, splits, cache, q, partials };
    const scorer = scores && new SliceScorer(gpu, { ...common, rows, scores, sinksOf });
    const rowsOf = (layer: number) => group.rowsOf(layer);
    const sealed = await readers.slice({ ...common, rowsOf, slices: [slice], scorer });
    const layers = await sliceLayers(gpu, options, { splits, partials, slices: [slice] });
    const scored = await scorer?.bindWindow() ?? null;
    const storeOf = (layer: number) => cache.storeOf(layer);
    const { values = null } = options;
    const beside = { scores, scored, values, storeOf };
    return new SliceAttention(gpu, { group, partials, sliceInfo, sealed, layers, ...beside });
  }

  /** A slice reads the values of all blocks. */
  bring(chained: ChainedPass, layer: number, rows: readonly Row[]): void {
    const { values, storeOf } = this.#parts;
    const store = storeOf(layer);
    const { slot, listCount } = rows[rows.length - 1];
    if (values === null || !values.has(store) || listCount === 0) return;
    const entries = Array.from({ length: listCount }, (_, listIndex) => ({ slot, listIndex }));
    chained.between(() => {
      chained.commands.submit();
      values.bring(store, entries, "prompt");
    });
  }

  encode(pass: GPUComputePassEncoder, layer: number, rows: readonly Row[]): void {
    const { group, sealed, layers, sliceInfo } = this.#parts;
    const { window, boundWindow: [boundWindow], merge } = layers[layer];
    const rowCount = rows.length;
    if (layer === 0) this.#gpu.write(sliceInfo, 0, Uint32Array.of(rowCount, 0));
    const { listCount, tileCount } = readCounts(rows.slice(-1), group.sightOf(layer));
    sealed.encode(pass, layer, { rowCount, listCount });
    window.encode(pass, boundWindow, { rowCount, splitCount: tileCount });
    merge(pass, rowCount);
    const { scores, scored } = this.#parts;
    if (!scores?.isObserved(layer)) return;
    sealed.encodeScores?.(pass, layer, listCount);
    scored?.encode(pass, { layer, blockCount: tileCount });
  }

  destroy(): void {
    const { sealed, partials, sliceInfo } = this.#parts;
    sealed.destroy();
    for (const buffer of [partials, sliceInfo]) this.#gpu.destroyBuffer(buffer);
  }
}
