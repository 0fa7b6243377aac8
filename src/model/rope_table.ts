import { type LayerTurns, turnOf } from "../codec/cold/turn.ts";
import type { ModelPlan, RopePlan, YarnPlan } from "./plan.ts";

/**
 * Cosines and sines of RoPE for the rows of a step, computed in f64 so that angles stay accurate at
 * any position. Su et al. 2021, arXiv:2104.09864, with neighbouring channels as pairs.
 */
export class RopeTable {
  #frequencies: Float64Array;
  /** Factor of each pair of channels. */
  #magnitudes: Float64Array;

  /**
   * @param rope Null turns nothing.
   * @param options `factors`: values of the tensor that `rope.factors` names.
   */
  constructor(
    rope: RopePlan | null,
    options: { headSize: number; factors: Float32Array | null },
  ) {
    const { headSize, factors } = options;
    const pairCount = headSize / 2;
    const turnedCount = rope === null ? 0 : rope.dimension / 2;
    this.#frequencies = Float64Array.from({ length: pairCount }, (_, pair) => {
      if (rope === null || pair >= turnedCount) return 0;
      const frequency = rope.base ** (-2 * pair / rope.dimension) / (factors?.[pair] ?? 1);
      const kept = rope.yarn === null ? 0 : keptShare(rope, rope.yarn, pair);
      return frequency * (kept + (1 - kept) / rope.positionScale);
    });
    this.#magnitudes = Float64Array.from({ length: pairCount }, (_, pair) => {
      return rope === null || pair >= turnedCount ? 1 : rope.magnitude;
    });
  }

  /** Whether every pair of channels turns. */
  get turnsWholeHeads(): boolean {
    return this.#frequencies.every((frequency) => frequency > 0);
  }

  /** Radians per position of each pair of channels; 0 beyond the turned dimensions. */
  get frequencies(): Float64Array {
    return this.#frequencies;
  }

  /** f32 values of one row: cosine and sine for each of `headSize / 2` pairs. */
  get rowLength(): number {
    return 2 * this.#frequencies.length;
  }

  /** Fills row `row` of `target`, f32 `[rows, headSize / 2, 2]`, for `position`. */
  fillRow(target: Float32Array, row: number, position: number): void {
    let at = row * this.rowLength;
    for (const [pair, frequency] of this.#frequencies.entries()) {
      target[at++] = this.#magnitudes[pair] * Math.cos(position * frequency);
      target[at++] = this.#magnitudes[pair] * Math.sin(position * frequency);
    }
  }
}

/** Share of pair `pair`'s own frequency in what it turns by under YaRN, 0 to 1. */
function keptShare({ base, dimension }: RopePlan, yarn: YarnPlan, pair: number): number {
  const { originalContextLength, betaFast, betaSlow } = yarn;
  const pairThatTurns = (count: number) => {
    const positions = originalContextLength / (count * 2 * Math.PI);
    return dimension * Math.log(positions) / (2 * Math.log(base));
  };
  const low = Math.max(0, Math.floor(pairThatTurns(betaFast)));
  const high = Math.min(dimension - 1, Math.ceil(pairThatTurns(betaSlow)));
  const ramp = (pair - low) / Math.max(0.001, high - low);
  return 1 - Math.min(1, Math.max(0, ramp));
}

/** The tables of a model: one for all layers that turn alike. */
export class RopeTables {
  readonly tables: readonly RopeTable[];
  /** Index in `tables` of each layer. */
  readonly ofLayer: readonly number[];

  /** @param factors Values of the tensors that the plan names as factors, by name. */
  constructor({ layers }: Pick<ModelPlan, "layers">, factors: ReadonlyMap<string, Float32Array>) {
    const keys = layers.map(({ attention: { rope, headShape } }) =>
      JSON.stringify([rope, headShape.headSize])
    );
    const distinct = [...new Set(keys)];
    this.ofLayer = keys.map((key) => distinct.indexOf(key));
    this.tables = distinct.map((key) => {
      const { rope, headShape: { headSize } } = layers[keys.indexOf(key)].attention;
      const named = rope?.factors ?? null;
      return new RopeTable(rope, {
        headSize,
        factors: named === null ? null : factors.get(named)!,
      });
    });
  }

  /** What pairs of channels of each layer turn by; the same array for layers alike. */
  get turns(): LayerTurns {
    const kinds = this.tables.map(({ frequencies }) => Uint32Array.from(frequencies, turnOf));
    return this.ofLayer.map((table) => kinds[table]);
  }
}
