import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { BaselineCodec, BaselineSide, BlockOrigin } from "./baseline.ts";
import {
  fittedLine,
  type Group,
  groupsOfChannels,
  groupsOfTokens,
  type Line,
  roundF16,
  SCALE_AND_MINIMUM_BITS,
} from "./groups.ts";

/** Share of a group's range that its end levels are moved in by, by bits of a code. */
const SHRINKS: Readonly<Record<number, number>> = { 1: 1 / 6, 2: 0.045 };

/** Codes of one side of a layer, one after the other by group. */
interface LayerCodes {
  layer: number;
  codes: readonly Uint8Array[];
}

/**
 * XQuant across layers, arXiv:2510.11236: KIVI's groups with end levels moved into the range, and
 * odd layers that take the codes of the layer before and store a scale and a minimum alone. Groups
 * are 64 tokens of a channel of K, as many as a block has (the original's have 128), and the
 * channels of a head of a token of V.
 *
 * @param bits Bits of a code, in all layers: as published 1 or 2, with the middle one of the
 * published shrinks.
 * @param isFitted Not as published: nothing is moved in, and the scale and the minimum of an odd
 * layer are those of least squares, so that no other ones read the codes before with less error.
 */
export function xquant(
  bits: 1 | 2 | 4,
  { headSize }: { headSize: number },
  isFitted = false,
): BaselineCodec {
  const keys = new CrossLayerSide(bits, isFitted);
  const values = new CrossLayerSide(bits, isFitted);
  const scaleBits = {
    k: SCALE_AND_MINIMUM_BITS / BLOCK_TOKEN_COUNT,
    v: SCALE_AND_MINIMUM_BITS / headSize,
  };
  return {
    description:
      `XQuant: ${bits}-bit codes, those of the layer before in odd layers, scale and minimum for ` +
      `64 tokens of a K channel and for ${headSize} channels of a V token` +
      (isFitted ? ", those of odd layers by least squares" : ""),
    get codeBits() {
      return { k: keys.codeBits, v: values.codeBits };
    },
    get bits() {
      const { k, v } = this.codeBits;
      return { k: k + scaleBits.k, v: v + scaleBits.v };
    },
    start() {
      keys.start();
      values.start();
    },
    readBackKeys(side, origin) {
      keys.readBack(side, groupsOfTokens(side, BLOCK_TOKEN_COUNT), origin);
    },
    readBackValues(side, origin) {
      values.readBack(side, groupsOfChannels(side, headSize), origin);
    },
  };
}

/** Keys or values of all layers of a block, in the order of layers. */
class CrossLayerSide {
  readonly #bits: 1 | 2 | 4;
  readonly #isFitted: boolean;
  #before: LayerCodes | null = null;
  #valueCount = 0;
  #codeCount = 0;

  constructor(bits: 1 | 2 | 4, isFitted: boolean) {
    this.#bits = bits;
    this.#isFitted = isFitted;
  }

  /** Bits of codes for a value of the layers seen so far; those of all odd layers before any. */
  get codeBits(): number {
    return this.#bits * (this.#valueCount === 0 ? 0.5 : this.#codeCount / this.#valueCount);
  }

  start(): void {
    this.#before = null;
    [this.#valueCount, this.#codeCount] = [0, 0];
  }

  readBack(
    { values }: BaselineSide,
    groups: readonly Group[],
    { layer }: Pick<BlockOrigin, "layer"> = { layer: 0 },
  ): void {
    const { length } = values;
    // A layer that sees a window is none of those that are sealed: what follows it has its own.
    const shared = layer % 2 === 1 && this.#before?.layer === layer - 1 ? this.#before.codes : null;
    const codes = groups.map((group, index) => {
      const shrink = this.#isFitted ? 0 : SHRINKS[this.#bits];
      const levels = levelsOf(values, group, { bits: this.#bits, shrink });
      const own = shared?.[index] ?? codesOf(values, group, levels);
      const { minimum, scale } = shared && this.#isFitted ? fittedLine(values, group, own) : levels;
      own.forEach((code, i) => {
        values[group.start + i * group.stride] = minimum + code * scale;
      });
      return own;
    });
    this.#valueCount += length;
    if (shared === null) this.#codeCount += length;
    this.#before = { layer, codes };
  }
}

interface Levels extends Line {
  /** Those that codes are chosen by: they span the whole range. */
  rangeMinimum: number;
  rangeScale: number;
  codeMax: number;
}

/** `mn' = mn + shrink * s * (2^bits - 1)`, `s' = (1 - 2 * shrink) * s`, both as f16. */
function levelsOf(
  values: Float32Array,
  { start, stride, count }: Group,
  { bits, shrink }: { bits: number; shrink: number },
): Levels {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < count; i++) {
    low = Math.min(low, values[start + i * stride]);
    high = Math.max(high, values[start + i * stride]);
  }
  const codeMax = 2 ** bits - 1;
  const rangeScale = (high - low) / codeMax;
  return {
    minimum: roundF16(low + shrink * rangeScale * codeMax),
    scale: roundF16((1 - 2 * shrink) * rangeScale),
    rangeMinimum: low,
    rangeScale,
    codeMax,
  };
}

function codesOf(
  values: Float32Array,
  { start, stride, count }: Group,
  { rangeMinimum, rangeScale, codeMax }: Levels,
): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => {
    if (rangeScale === 0) return 0;
    const code = Math.round((values[start + i * stride] - rangeMinimum) / rangeScale);
    return Math.min(Math.max(code, 0), codeMax);
  });
}
