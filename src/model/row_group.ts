import { invariant } from "../core/errors.ts";
import {
  PADDING_SLOT,
  type Row,
  ROW_WORDS,
  rowInSight,
  rowWords,
  type Sight,
} from "../core/row.ts";
import { alignUp, BLOCK_TOKEN_COUNT, type LayerHeads, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { ROW_TILE } from "../kernels/matmul/row_counts.ts";
import { ExpertGroup } from "./expert_group.ts";
import { LatentGroup } from "./latent_group.ts";
import type { ModelPlan } from "./plan.ts";
import type { RopeTables } from "./rope_table.ts";

/** Inputs of layers, and what they are made of and become. */
export interface LayerInputBuffers {
  /** f32 `[rows, layerCount * inputWidth]`. */
  all: GPUBuffer;
  /** f32 of the same size: what is added to what a token has for all layers. */
  projected: GPUBuffer;
  /** f32 `[rows, inputWidth]`: the input of the layer that runs, gated. */
  gated: GPUBuffer;
}

/** Activations of rows that go through the layers together, and the descriptors of these rows. */
export class RowGroup {
  /** Rows there is room for, a multiple of `ROW_TILE`. */
  readonly rowCountMax: number;
  /** Whether its rows are those of a slice. */
  readonly isSlice: boolean;
  /** u32 `[rows][ROW_WORDS]`. */
  readonly rows: GPUBuffer;
  /** The same as layers read them that see no more than a window. */
  readonly #sightRows: readonly { sight: Sight; buffer: GPUBuffer }[];
  /** f32 `[rows, headSize / 2, 2]` of each of the model's tables. */
  readonly turns: readonly GPUBuffer[];
  /** f32 `[rows, width]`: the residual stream. */
  readonly x: GPUBuffer;
  /** f32 `[rows, queryHeadCount * headSize]` of the layer that runs, as the next two. */
  readonly q: GPUBuffer;
  /** f32 `[rows, (queryHeadCount + 2 * kvHeadCount) * headSize]`: heads that are not plain yet. */
  readonly projected: GPUBuffer;
  /** f32 `[rows, queryHeadCount * headSize]`: what attention gives. */
  readonly attended: GPUBuffer;
  /** f32 `[rows, width]`: what a part of a layer gives, where it is normed before it is added. */
  readonly given: GPUBuffer;
  /** f32 `[rows, feedForwardWidth]`. */
  readonly hidden: GPUBuffer;
  /** Null if no layer has an input of its own. */
  readonly layerInputs: LayerInputBuffers | null;
  #up: GPUBuffer | null = null;
  /** Null if no layer has experts. */
  readonly experts: ExpertGroup | null;
  /** Null if layers keep keys and values. */
  readonly latent: LatentGroup | null;
  #gpu: Gpu;
  #rope: RopeTables;
  /** By layer. */
  #sights: readonly (Sight | null)[];
  #descriptors: Uint32Array<ArrayBuffer>;
  /** Of one table, to be copied. */
  #rowTurns: Float32Array<ArrayBuffer>;

  constructor(
    gpu: Gpu,
    options: {
      label: string;
      plan: ModelPlan;
      /** What each layer sees; null for all. */
      sights: readonly (Sight | null)[];
      rowCount: number;
      isSlice: boolean;
      rope: RopeTables;
    },
  ) {
    const { label, plan, rope } = options;
    const { shape } = plan;
    this.#sights = options.sights;
    this.#gpu = gpu;
    this.isSlice = options.isSlice;
    this.#rope = rope;
    this.rowCountMax = alignUp(options.rowCount, ROW_TILE);
    this.#descriptors = new Uint32Array(this.rowCountMax * ROW_WORDS);
    const turnCountMax = Math.max(...rope.tables.map(({ rowLength }) => rowLength));
    this.#rowTurns = new Float32Array(this.rowCountMax * turnCountMax);
    const make = (name: string, wordsPerRow: number) =>
      gpu.createBuffer(`${label} ${name}`, this.rowCountMax * wordsPerRow * WORD_SIZE_BYTES);
    const { queryWidth, headsWidth } = widestHeads(plan);
    this.rows = make("rows", ROW_WORDS);
    const limited = this.#sights.filter((sight) => sight !== null);
    this.#sightRows = limited
      .filter((sight, index) => limited.findIndex((other) => isSame(other, sight)) === index)
      .map((sight) => ({ sight, buffer: make("rows", ROW_WORDS) }));
    this.turns = rope.tables.map(({ rowLength }) => make("rope", rowLength));
    this.x = make("x", shape.width);
    this.q = make("q", queryWidth);
    this.projected = make("projected", headsWidth);
    this.attended = make("attended", queryWidth);
    this.given = make("given", shape.width);
    this.hidden = make("hidden", shape.feedForwardWidth);
    const inputWidth = plan.layerInputs?.inputWidth ?? 0;
    const inputsWidth = shape.layerCount * inputWidth;
    this.layerInputs = plan.layerInputs && {
      all: make("layer inputs", inputsWidth),
      projected: make("projected layer inputs", inputsWidth),
      gated: make("gated layer input", inputWidth),
    };
    const own = { label, plan, rowCount: this.rowCountMax, isSlice: this.isSlice };
    this.experts = ExpertGroup.create(gpu, own);
    this.latent = LatentGroup.create(gpu, own);
  }

  /**
   * Queues the descriptors and RoPE tables of a step's rows. A row must lie behind the sealed
   * blocks it reads: their tokens may stand in any order, so none can be hidden from it.
   */
  write(rows: readonly Row[]): void {
    rows.forEach(({ position, listCount, firstWindowBlock }) => {
      const isBehind = firstWindowBlock * BLOCK_TOKEN_COUNT <= position;
      invariant(isBehind && listCount <= firstWindowBlock, "a row lies behind all that it reads");
    });
    this.#writeRows(this.rows, rows);
    this.latent?.write(rows.length);
    for (const { sight, buffer } of this.#sightRows) {
      this.#writeRows(buffer, rows.map((row) => rowInSight(row, sight)));
    }
    for (const [index, table] of this.#rope.tables.entries()) {
      rows.forEach(({ position }, row) => table.fillRow(this.#rowTurns, row, position));
      const turns = this.#rowTurns.subarray(0, rows.length * table.rowLength);
      this.#gpu.write(this.turns[index], 0, turns);
    }
  }

  #writeRows(buffer: GPUBuffer, rows: readonly Row[]): void {
    const descriptors = this.#descriptors.fill(PADDING_SLOT);
    descriptors.set(rowWords(rows));
    // What a tile of a slice computes beside its rows must not be taken for rows of an earlier one.
    const count = this.isSlice ? this.rowCountMax : alignUp(rows.length, ROW_TILE);
    this.#gpu.write(buffer, 0, descriptors.subarray(0, count * ROW_WORDS));
  }

  /** f32 `[rows, feedForwardWidth]`: what is gated, where it is not made with its gate. */
  get up(): GPUBuffer {
    this.#up ??= this.#gpu.createBuffer("up", this.hidden.size);
    return this.#up;
  }

  /** What a layer sees; null for all. */
  sightOf(layer: number): Sight | null {
    return this.#sights[layer];
  }

  /** The rows as a layer reads them, u32 `[rows][ROW_WORDS]`. */
  rowsOf(layer: number): GPUBuffer {
    const sight = this.#sights[layer];
    if (sight === null) return this.rows;
    return this.#sightRows.find((own) => isSame(own.sight, sight))!.buffer;
  }

  /** Cosines and sines of a layer, f32 `[rows, headSize / 2, 2]`. */
  turnsOf(layer: number): GPUBuffer {
    return this.turns[this.#rope.ofLayer[layer]];
  }

  /** Frees its buffers. */
  destroy(): void {
    this.experts?.destroy();
    this.latent?.destroy();
    const { rows, turns, x, q, projected, attended, given, hidden, layerInputs } = this;
    for (
      const buffer of [
        rows,
        ...this.#sightRows.map(({ buffer }) => buffer),
        ...turns,
        x,
        q,
        projected,
        attended,
        given,
        hidden,
        ...Object.values(layerInputs ?? {}),
        ...this.#up === null ? [] : [this.#up],
      ]
    ) {
      this.#gpu.destroyBuffer(buffer);
    }
  }
}

function isSame(a: Sight, b: Sight): boolean {
  return a.reach === b.reach && a.isSealed === b.isSealed;
}

/** Values of the widest queries of a layer, and of the widest queries, keys and values. */
function widestHeads({ layers }: ModelPlan): { queryWidth: number; headsWidth: number } {
  // A query of latents has the channels of both halves.
  const shapes = layers.map(({ attention: { headShape, latent } }) =>
    latent === null ? headShape : { ...headShape, headSize: 2 * headShape.headSize }
  );
  const widest = (headCountOf: (shape: LayerHeads) => number) =>
    Math.max(...shapes.map((shape) => headCountOf(shape) * shape.headSize));
  return {
    queryWidth: widest(({ queryHeadCount }) => queryHeadCount),
    headsWidth: widest(({ queryHeadCount, kvHeadCount }) => queryHeadCount + 2 * kvHeadCount),
  };
}
