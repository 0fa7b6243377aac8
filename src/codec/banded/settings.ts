/**
 * Settings of the banded codec. FORMAT.md section 7.6.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { ProfileTable } from "../profile_table.ts";
import { numberSetting, type Setting } from "../settings.ts";
import { SINK_COUNT_MAX } from "./layout.ts";

/** What a layer's steps are multiplied by. */
export interface LayerFactors {
  /** Of K, positive. */
  key: number;
  /** Of V, positive. */
  value: number;
}

/** Steps by what the model's queries see, from a calibration. */
export interface BandedProfile {
  /** What it promises. */
  name: "near-lossless" | "balanced" | "tight";
  /**
   * Step of K in units of a score before its division by the square root of the head size: channel
   * `c` has `keyStep / sqrt(mean q_c^2)`.
   */
  keyStep: number;
  /** Step of V relative to the mean magnitude of a token's values. */
  valueStep: number;
  /** First tokens of a sequence that stay raw, 0 to 16. */
  sinkCount: number;
  /** By layer, in the place of the calibration's; null leaves these. */
  layerFactors: readonly LayerFactors[] | null;
}

/** Smallest step. */
export const STEP_MIN = 0.05;
/** Largest step. */
export const STEP_MAX = 16;
/** Largest factor of a layer, and the inverse of the smallest. */
export const LAYER_FACTOR_MAX = 16;

const STEP = { placeholder: "STEP", min: STEP_MIN, max: STEP_MAX, defaultWords: "by profile" };

const LAYER_FACTORS: Setting<readonly LayerFactors[] | null> = {
  flag: "layer-steps",
  placeholder: "FILE",
  help: 'factors of both steps by layer: JSON, [{"key": 1, "value": 0.5}, ...]',
  defaultWords: "measured",
  field: null,
  source: "file",
  parse: (text) => JSON.parse(text),
  check(label, value) {
    if (value === null) return null;
    if (!isFactorsList(value)) {
      throw new RangeError(
        `Cannot use ${label}: must be a list of {"key": NUMBER, "value": NUMBER}, ` +
          "one for each layer",
      );
    }
    for (const [layer, factors] of value.entries()) {
      checkFactor(`${label}: the factor of K in layer ${layer}`, factors.key);
      checkFactor(`${label}: the factor of V in layer ${layer}`, factors.value);
    }
    return value;
  },
  describe(value) {
    if (value === null) return null;
    const digest = crc32(new TextEncoder().encode(JSON.stringify(value)));
    return `own factors by layer ${digest.toString(16).padStart(8, "0")}`;
  },
};

const DEFAULTS = { layerFactors: null } as const;

/** The calibrated profiles, from the finest to the coarsest. */
export const BANDED_PROFILES: ProfileTable<BandedProfile> = new ProfileTable<BandedProfile>({
  keyStep: numberSetting({
    ...STEP,
    flag: "k-step",
    help: "step of keys in units of a score: larger is smaller and rougher",
  }),
  valueStep: numberSetting({
    ...STEP,
    flag: "v-step",
    help: "step of values relative to a token's mean magnitude",
  }),
  sinkCount: numberSetting({
    flag: "sink-tokens",
    placeholder: "N",
    word: "sinks",
    help: "first tokens that stay raw",
    defaultWords: "by profile",
    min: 0,
    max: SINK_COUNT_MAX,
    isInteger: true,
  }),
  layerFactors: LAYER_FACTORS,
}, [
  { name: "near-lossless", keyStep: 1.1, valueStep: 1.26, sinkCount: 4, ...DEFAULTS },
  { name: "balanced", keyStep: 1.68, valueStep: 2, sinkCount: 2, ...DEFAULTS },
  { name: "tight", keyStep: 3, valueStep: 3.7, sinkCount: 2, ...DEFAULTS },
]);

function isFactorsList(value: unknown): value is readonly LayerFactors[] {
  const isNumber = (each: unknown) => typeof each === "number" && each > 0;
  return Array.isArray(value) && value.length > 0 &&
    value.every((each) => isNumber(each?.key) && isNumber(each?.value));
}

function checkFactor(what: string, factor: number): void {
  const [min, max] = [1 / LAYER_FACTOR_MAX, LAYER_FACTOR_MAX];
  if (factor >= min && factor <= max) return;
  throw new RangeError(`Cannot use ${what} is ${factor}, must be ${min} to ${max}`);
}
