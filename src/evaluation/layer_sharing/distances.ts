/**
 * How far keys and values of layers are apart: KVSharer, arXiv:2410.18517, section 3.1, as the
 * authors' code has it.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT, type LayerHeads } from "../../core/shapes.ts";
import { rawTileValues } from "../../codec/raw_tile.ts";
import { KEY, VALUE } from "../../codec/record.ts";
import type { SharedLayer } from "../../runtime/types.ts";

/** Keys and values of a layer, averaged over pieces: f64 `[tokens, kvHeadCount * headSize]`. */
export interface LayerMean {
  keys: Float64Array;
  values: Float64Array;
}

/** Means of the raw tiles of pieces, which begin a sequence each. */
export class LayerMeans {
  readonly #heads: readonly LayerHeads[];
  readonly #sums: LayerMean[];
  #pieceCount = 0;

  constructor(heads: readonly LayerHeads[], tokenCount: number) {
    if (tokenCount > BLOCK_TOKEN_COUNT) throw new RangeError("a piece is no longer than a tile");
    this.#heads = heads;
    this.#sums = heads.map(({ kvHeadCount, headSize }) => {
      const count = tokenCount * kvHeadCount * headSize;
      return { keys: new Float64Array(count), values: new Float64Array(count) };
    });
  }

  /** Adds a piece: raw tiles by layer, FORMAT.md section 5. */
  add(tiles: readonly Uint32Array[]): void {
    this.#pieceCount++;
    for (const [layer, tile] of tiles.entries()) {
      const { keys, values } = this.#sums[layer];
      for (const [side, sums] of [[KEY, keys], [VALUE, values]] as const) {
        const own = rawTileValues(this.#heads[layer], tile, side);
        for (let i = 0; i < sums.length; i++) sums[i] += own[i];
      }
    }
  }

  /** By layer. */
  finish(): LayerMean[] {
    const mean = (sums: Float64Array) => sums.map((sum) => sum / this.#pieceCount);
    return this.#sums.map(({ keys, values }) => ({ keys: mean(keys), values: mean(values) }));
  }
}

/** Mean over tokens and heads of the Euclidean distance of a head's channels. */
export function meanDistance(a: Float64Array, b: Float64Array, headSize: number): number {
  let sum = 0;
  for (let start = 0; start < a.length; start += headSize) {
    let squares = 0;
    for (let i = start; i < start + headSize; i++) squares += (a[i] - b[i]) ** 2;
    sum += Math.sqrt(squares);
  }
  return sum / (a.length / headSize);
}

/** Pairs, the least alike first: by the mean of the distances of keys and of values. */
export function byDistance(
  pairs: readonly SharedLayer[],
  means: readonly LayerMean[],
  headSizeOf: (layer: number) => number,
): (SharedLayer & { distance: number })[] {
  const measured = pairs.map(({ layer, source }) => {
    const [own, other] = [means[layer], means[source]];
    const headSize = headSizeOf(layer);
    const keys = meanDistance(own.keys, other.keys, headSize);
    const values = meanDistance(own.values, other.values, headSize);
    return { layer, source, distance: (keys + values) / 2 };
  });
  return measured.sort((a, b) => b.distance - a.distance);
}
