/**
 * The layers of a model's plan as kernel calls over one group of rows.
 *
 * @module
 */

import type { KvCache } from "../kvcache/kv_cache.ts";
import type { BoundMatmul, MatmulKernel } from "../kernels/matmul/rows.ts";
import type { MatmulSet } from "./matmul_set.ts";
import type { ModelPlan } from "./plan.ts";
import type { Row, RowGroup } from "./row_group.ts";
import type { LayerWeights, ModelWeights } from "./weights.ts";

/** Attention of a group of rows: reads the group's `q`, writes its `attended`. */
export interface Attention {
  /** Records one layer; the rows' own keys and values are in the window already. */
  record(pass: GPUComputePassEncoder, layer: number, rows: readonly Row[]): void;
  /** Frees its buffers. */
  destroy(): void;
}

/** What a stack is built from. */
export interface LayerStackOptions {
  plan: ModelPlan;
  weights: ModelWeights;
  cache: KvCache;
  matmuls: MatmulSet;
  group: RowGroup;
  attention: Attention;
}

interface BoundUse {
  kernel: MatmulKernel;
  bound: BoundMatmul;
}

/** The four matrix products of a layer, in order. */
interface BoundLayer {
  heads: BoundUse;
  attentionOutput: BoundUse;
  gateUp: BoundUse;
  down: BoundUse;
}

/** All layers, bound to one group of rows. */
export class LayerStack {
  #group: RowGroup;
  #attention: Attention;
  #layers: readonly BoundLayer[];

  private constructor(group: RowGroup, attention: Attention, layers: readonly BoundLayer[]) {
    this.#group = group;
    this.#attention = attention;
    this.#layers = layers;
  }

  /** Compiles what is new and binds every layer. */
  static async create(options: LayerStackOptions): Promise<LayerStack> {
    const layers: BoundLayer[] = [];
    for (const [index, weights] of options.weights.layers.entries()) {
      layers.push(await bindLayer(options, weights, index));
    }
    return new LayerStack(options.group, options.attention, layers);
  }

  /**
   * Records layers `first ..< end`, all if left out; `x` holds the embedded rows before the first
   * layer, and what the last one gave is in it after the end.
   */
  record(
    pass: GPUComputePassEncoder,
    rows: readonly Row[],
    { first, end } = { first: 0, end: this.#layers.length },
  ): void {
    const run = ({ kernel, bound }: BoundUse) => kernel.record(pass, bound, rows.length);
    for (let layer = first; layer < end; layer++) {
      const { heads, attentionOutput, gateUp, down } = this.#layers[layer];
      run(heads);
      this.#attention.record(pass, layer, rows);
      run(attentionOutput);
      run(gateUp);
      run(down);
    }
  }

  /** Frees the buffers of group and attention. */
  destroy(): void {
    this.#attention.destroy();
    this.#group.destroy();
  }
}

async function bindLayer(
  { plan, matmuls, group, cache }: LayerStackOptions,
  weights: LayerWeights,
  index: number,
): Promise<BoundLayer> {
  const { queryHeadCount, kvHeadCount, headSize } = plan.shape;
  const headsOutput = { kind: "heads", queryHeadCount, kvHeadCount, headSize } as const;
  const heads = await matmuls.get(weights.heads, headsOutput, { hasNorm: true });
  const add = { kind: "add" } as const;
  const attentionOutput = await matmuls.get(weights.attentionOutput, add, { hasNorm: false });
  const gateUp = await matmuls.get(weights.gateUp, { kind: "silu" }, { hasNorm: true });
  const down = await matmuls.get(weights.down, add, { hasNorm: false });
  const { x, q, rows, attended, hidden } = group;
  return {
    heads: {
      kernel: heads,
      bound: heads.bind({
        weights: weights.heads,
        x,
        normWeight: weights.attentionNorm,
        y: q,
        rope: group.turnsOf(index),
        rows,
        window: cache.windows[index],
      }),
    },
    attentionOutput: {
      kernel: attentionOutput,
      bound: attentionOutput.bind({ weights: weights.attentionOutput, x: attended, y: x }),
    },
    gateUp: {
      kernel: gateUp,
      bound: gateUp.bind({
        weights: weights.gateUp,
        x,
        normWeight: weights.feedForwardNorm,
        y: hidden,
      }),
    },
    down: { kernel: down, bound: down.bind({ weights: weights.down, x: hidden, y: x }) },
  };
}
