import { BLOCK_TOKEN_COUNT } from "../../../core/shapes.ts";
import type { PerSide } from "../baseline.ts";
import { readBackAsymmetric, roundF16, SCALE_AND_MINIMUM_BITS } from "../groups.ts";
import type { Centres } from "./centres.ts";
import type { Compressors } from "./compressor.ts";
import type { DeltaKvForm } from "./form.ts";
import type { DeltaKvSettings } from "./settings.ts";
import { isCentre, type TokenBlock } from "./tokens.ts";

/** Numbers that share a scale and a minimum; fewer if that does not divide how many there are. */
const GROUP_SIZE = 32;
/** Of a centre's place, as published. */
const PLACE_BITS = 32;
/** Of a raw value. */
const RAW_BITS = 16;

/**
 * DeltaKV as published: centres stay raw, and every token keeps `z = f_down(kv) - f_down(mean)` and
 * the places of its centres; it is read as `f_up(z) + mean`. Without compressors both are the
 * identity, and z is what the token differs by.
 */
export class LatentForm implements DeltaKvForm {
  readonly description: string;
  readonly fallbackShare = 0;
  #settings: DeltaKvSettings & { bits: number };
  #sinkCount: number;
  #compressors: Compressors | null;
  /** Numbers of a token, as it is and as it is kept. */
  #sizes: { whole: number; latent: number };
  #tokenCount = 0;
  #centreCount = 0;
  /** Of layers that keep everything. */
  #rawCount = 0;

  /** @param width Numbers of a token: keys and values of all heads. */
  constructor(
    settings: DeltaKvSettings & { bits: number },
    { sinkCount, width, compressors }: {
      sinkCount: number;
      width: number;
      compressors: Compressors | null;
    },
  ) {
    this.#settings = settings;
    this.#sinkCount = sinkCount;
    this.#compressors = compressors;
    this.#sizes = { whole: width, latent: compressors?.latentSize ?? width };
    const { latent } = this.#sizes;
    const what = compressors === null ? "difference" : "trained latent";
    this.description = settings.bits === RAW_BITS
      ? `${what} of ${latent} as f16`
      : `${what} of ${latent} in ${settings.bits}-bit codes, scale and minimum for ` +
        `${this.#groupSize}`;
  }

  get bits(): PerSide {
    const { neighbourCount } = this.#settings;
    const { whole, latent } = this.#sizes;
    const scales = this.#isRaw ? 0 : SCALE_AND_MINIMUM_BITS * latent / this.#groupSize;
    const token = latent * this.#settings.bits + scales + PLACE_BITS * neighbourCount;
    return this.#mixed(token / whole, RAW_BITS);
  }

  get codeBits(): PerSide {
    const { whole, latent } = this.#sizes;
    return this.#mixed(latent * this.#settings.bits / whole, 0);
  }

  /** Bits of an element over all layers, from those of a token that is not raw. */
  #mixed(token: number, centre: number): PerSide {
    const all = this.#tokenCount + this.#rawCount;
    if (all === 0) return { k: token, v: token };
    const bits = token * this.#tokenCount + centre * this.#centreCount + RAW_BITS * this.#rawCount;
    return { k: bits / all, v: bits / all };
  }

  start(): void {
    [this.#tokenCount, this.#centreCount, this.#rawCount] = [0, 0, 0];
  }

  readBack({ vectors, position, firstToken }: TokenBlock, centres: Centres, layer: number): void {
    const { neighbourCount, stride } = this.#settings;
    const sinkCount = this.#sinkCount;
    if (this.#compressors?.has(layer) === false) {
      this.#rawCount += BLOCK_TOKEN_COUNT - firstToken;
      return;
    }
    for (let token = 0; token < BLOCK_TOKEN_COUNT; token++) {
      const vector = vectors[token];
      if (token >= firstToken) this.#tokenCount++;
      if (isCentre(position + token, { sinkCount, stride }) || centres.count === 0) {
        // It is read as it is: what is kept of it besides is counted, as published.
        centres.add(vector);
        if (token >= firstToken) this.#centreCount++;
        continue;
      }
      const mean = centres.mean(centres.nearest(vector, neighbourCount));
      const rest = this.#rest(vector, mean, layer);
      vectors[token] = rest.map((value, i) => value + mean[i]);
    }
  }

  /** What is read of the difference between a token and the mean of its centres. */
  #rest(vector: Float64Array, mean: Float64Array, layer: number): Float64Array {
    const compressors = this.#compressors;
    if (compressors === null) return this.#stored(vector.map((value, i) => value - mean[i]));
    const [own, ofMean] = [vector, mean].map((each) => compressors.down(layer, each));
    return compressors.up(layer, this.#stored(own.map((value, i) => value - ofMean[i])));
  }

  /** A latent as it is read after it was kept. */
  #stored(latent: Float64Array): Float64Array {
    if (this.#isRaw) return latent.map(roundF16);
    const values = Float32Array.from(latent);
    for (let start = 0; start < values.length; start += this.#groupSize) {
      const group = { start, stride: 1, count: this.#groupSize };
      readBackAsymmetric(values, group, this.#settings.bits);
    }
    return Float64Array.from(values);
  }

  get #isRaw(): boolean {
    return this.#settings.bits === RAW_BITS;
  }

  get #groupSize(): number {
    const { latent } = this.#sizes;
    return latent % GROUP_SIZE === 0 ? GROUP_SIZE : latent;
  }
}
