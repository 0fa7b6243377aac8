import { invariant } from "../core/errors.ts";
import type { Row } from "../core/row.ts";
import type { ChainedPass } from "../gpu/command_chain.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { AttentionDecodeRawKernel } from "../kernels/attention_decode/raw.ts";
import type { BlockReader } from "../kvcache/block_reader.ts";
import type { HostValues } from "../kvcache/host_values.ts";
import {
  type AttentionOptions,
  byWindow,
  cacheSplits,
  createPartials,
  readCounts,
} from "./attention_splits.ts";
import { createMerges } from "./attention_merges.ts";
import { BlockChoice } from "./block_choice.ts";
import type { RecordRows } from "./layer_context.ts";
import type { Attention } from "./layer_stack.ts";
import type { RowGroup } from "./row_group.ts";

/** What a layer runs beside its reader of sealed blocks. */
interface LayerParts {
  window: AttentionDecodeRawKernel;
  boundWindow: GPUBindGroup;
  merge: RecordRows;
  /** Whether its rows choose what they read of the sealed blocks. */
  chooses: boolean;
}

interface Parts {
  group: RowGroup;
  partials: GPUBuffer;
  sealed: BlockReader;
  layers: readonly LayerParts[];
  /** What rows read of the blocks of layers that choose; null if all layers read everything. */
  choice: BlockChoice | null;
  /** Values that come from host memory; null if all are in the arenas. */
  values: HostValues | null;
  storeOf: (layer: number) => number;
}

/** Attention of single rows: sealed blocks and window tiles in splits, then merged. */
export class DecodeAttention implements Attention {
  #gpu: Gpu;
  #parts: Parts;

  private constructor(gpu: Gpu, parts: Parts) {
    this.#gpu = gpu;
    this.#parts = parts;
  }

  /** Compiles for a cache and binds every layer of it. */
  static async create(gpu: Gpu, options: AttentionOptions): Promise<DecodeAttention> {
    const { sealedShape: shape, cache, group, readers } = options;
    const { q } = group;
    const splits = cacheSplits(gpu, options);
    const partials = createPartials(gpu, options, splits);
    const { reading = null, values = null } = options;
    const scored = { ...options, partials, splits };
    const choice = reading && await BlockChoice.create(gpu, scored, reading);
    const chosen = choice && choice.lists;
    const chooses = (layer: number) => choice !== null && cache.choosesOf(layer);
    const rowsOf = (layer: number) => chosen && chooses(layer) ? chosen.rows : group.rowsOf(layer);
    const common = { shape, splits, cache, q, partials, chosen };
    invariant(readers.decode !== null, "a kernel reads the codec's records for single rows");
    const sealed = await readers.decode({ ...common, rowsOf: (layer) => group.rowsOf(layer) });
    const windows = await byWindow(
      options,
      (kind) => AttentionDecodeRawKernel.create(gpu, { ...kind, splits, source: "window" }),
    );
    const merges = await createMerges(gpu, options, { splits, partials, rowsOf });
    const layers = windows.map((window, layer) => {
      const rows = rowsOf(layer);
      const tiles = cache.windowOf(layer);
      return {
        window,
        boundWindow: window.bind({ q, rows, tiles, partials }),
        merge: merges[layer],
        chooses: chooses(layer),
      };
    });
    const storeOf = (layer: number) => cache.storeOf(layer);
    const beside = { choice, values, storeOf };
    return new DecodeAttention(gpu, { group, partials, sealed, layers, ...beside });
  }

  /** Rows read the values of blocks that they choose, in layers that do. */
  bring(chained: ChainedPass, layer: number, rows: readonly Row[]): void {
    const { values, choice, storeOf, layers } = this.#parts;
    if (values === null) return;
    if (layer === 0) choice?.write(rows);
    const store = storeOf(layer);
    if (!values.has(store) || rows.every(({ listCount }) => listCount === 0)) return;
    const chooses = choice !== null && layers[layer].chooses;
    if (chooses) this.#encodeChoice(chained.pass, layer, rows);
    chained.between(() => {
      const { commands } = chained;
      const entries = chooses ? choice.readNow(commands, layer, rows) : entriesOf(rows);
      if (!chooses) commands.submit();
      values.bring(store, entries, "decode rows");
    });
  }

  /** Scores of packed keys are compared with those of the window. */
  #encodeChoice(pass: GPUComputePassEncoder, layer: number, rows: readonly Row[]): void {
    const { group, choice, layers } = this.#parts;
    const { listCount, tileCount: splitCount } = readCounts(rows, group.sightOf(layer));
    const { window, boundWindow } = layers[layer];
    window.encode(pass, boundWindow, { rowCount: rows.length, splitCount });
    choice?.encode(pass, layer, { rows, listCount });
  }

  encode(pass: GPUComputePassEncoder, layer: number, rows: readonly Row[]): void {
    const { group, sealed, layers, choice, values } = this.#parts;
    const { window, boundWindow, merge, chooses } = layers[layer];
    const rowCount = rows.length;
    if (layer === 0 && values === null) choice?.write(rows);
    const { listCount, tileCount: splitCount } = readCounts(rows, group.sightOf(layer));
    const isChosen = choice !== null && chooses && listCount > 0;
    const isBrought = isChosen && values !== null;
    if (isChosen && !isBrought) choice.encode(pass, layer, { rows, listCount });
    const count = isChosen ? choice.chosenCountMax(rows) : listCount;
    sealed.encode(pass, layer, { rowCount, listCount: count, isChosen });
    if (!isBrought) window.encode(pass, boundWindow, { rowCount, splitCount });
    merge(pass, rowCount);
  }

  destroy(): void {
    this.#parts.choice?.destroy();
    this.#parts.sealed.destroy();
    this.#gpu.destroyBuffer(this.#parts.partials);
  }
}

function entriesOf(rows: readonly Row[]): { slot: number; listIndex: number }[] {
  return rows.flatMap(({ slot, listCount }) =>
    Array.from({ length: listCount }, (_, listIndex) => ({ slot, listIndex }))
  );
}
