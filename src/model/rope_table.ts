import type { ModelPlan, RopePlan } from "./plan.ts";

/**
 * Cosines and sines of RoPE for the rows of a step, computed in f64 so that angles stay accurate at
 * any position. Su et al. 2021, arXiv:2104.09864, with neighbouring channels as pairs.
 */
export class RopeTable {
  /** Radians per position of each pair of channels; 0 beyond the turned dimensions. */
  #frequencies: Float64Array;

  /**
   * @param rope Null turns nothing.
   * @param options `factors`: values of the tensor that `rope.factors` names.
   */
  constructor(
    rope: RopePlan | null,
    options: { headSize: number; factors: Float32Array | null },
  ) {
    const { headSize, factors } = options;
    this.#frequencies = Float64Array.from({ length: headSize / 2 }, (_, pair) => {
      if (rope === null || 2 * pair >= rope.dimension) return 0;
      const factor = factors === null ? 1 : factors[pair];
      return rope.base ** (-2 * pair / rope.dimension) / rope.positionScale / factor;
    });
  }

  /** f32 values of one row: cosine and sine for each of `headSize / 2` pairs. */
  get rowLength(): number {
    return 2 * this.#frequencies.length;
  }

  /** Fills row `row` of `target`, f32 `[rows, headSize / 2, 2]`, for `position`. */
  fillRow(target: Float32Array, row: number, position: number): void {
    let at = row * this.rowLength;
    for (const frequency of this.#frequencies) {
      target[at++] = Math.cos(position * frequency);
      target[at++] = Math.sin(position * frequency);
    }
  }
}

/** The tables of a model: one for all layers that turn alike. */
export class RopeTables {
  readonly tables: readonly RopeTable[];
  /** Index in `tables` of each layer. */
  readonly ofLayer: readonly number[];

  /** @param factors Values of the tensors that the plan names as factors, by name. */
  constructor({ layers, shape }: ModelPlan, factors: ReadonlyMap<string, Float32Array>) {
    const keys = layers.map(({ attention }) => JSON.stringify(attention.rope));
    const distinct = [...new Set(keys)];
    this.ofLayer = keys.map((key) => distinct.indexOf(key));
    this.tables = distinct.map((key) => {
      const { rope } = layers[keys.indexOf(key)].attention;
      const named = rope?.factors ?? null;
      return new RopeTable(rope, {
        headSize: shape.headSize,
        factors: named === null ? null : factors.get(named)!,
      });
    });
  }
}
