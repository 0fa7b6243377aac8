/**
 * The layers of a model's plan as kernel calls over one group of rows.
 *
 * @module
 */

import { bindLayer, type BoundLayer } from "./bind_layer.ts";
import type { LayerContext } from "./layer_context.ts";
import type { Row } from "../core/row.ts";
import type { ChainedPass } from "../gpu/command_chain.ts";
import type { RowGroup } from "./row_group.ts";

/** Attention of a group of rows: reads the group's `q`, writes its `attended`. */
export interface Attention {
  /**
   * Encodes and runs what must be known before {@link encode}, and brings what that reads to the
   * device; nothing if left out.
   */
  bring?(pass: ChainedPass, layer: number, rows: readonly Row[]): void;
  /** Encodes one layer; the rows' own keys and values are in the window already. */
  encode(pass: GPUComputePassEncoder, layer: number, rows: readonly Row[]): void;
  /** Frees its buffers. */
  destroy(): void;
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
  static async create(context: LayerContext, attention: Attention): Promise<LayerStack> {
    const layers: BoundLayer[] = [];
    for (const index of context.plan.layers.keys()) layers.push(await bindLayer(context, index));
    return new LayerStack(context.group, attention, layers);
  }

  /**
   * Encodes layers `first ..< end`, all if left out; `x` holds the embedded rows before the first
   * layer, and what the last one gave is in it after the end.
   */
  encode(
    chained: ChainedPass,
    rows: readonly Row[],
    { first, end } = { first: 0, end: this.#layers.length },
  ): void {
    for (let layer = first; layer < end; layer++) {
      const { beforeAttention, afterAttention } = this.#layers[layer];
      for (const encodeRows of beforeAttention) encodeRows(chained.pass, rows.length);
      this.#attention.bring?.(chained, layer, rows);
      this.#attention.encode(chained.pass, layer, rows);
      for (const encodeRows of afterAttention) encodeRows(chained.pass, rows.length);
    }
  }

  /** Frees the buffers of group and attention. */
  destroy(): void {
    this.#attention.destroy();
    this.#group.destroy();
  }
}
