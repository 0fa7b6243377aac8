/**
 * From a calibration and a profile to the static tables of the banded codec. FORMAT.md section
 * 7.8.
 *
 * @module
 */

import { type BandedTables, bandedTables } from "../codec/banded/tables.ts";
import type { BandedProfile, LayerFactors } from "../codec/banded/settings.ts";
import { divExact } from "../core/shapes.ts";
import { bandTables, type SideSpread } from "./bands.ts";
import type { Calibration, LayerCalibration } from "./calibration.ts";
import { promisedDivergence } from "./promise.ts";

/**
 * A layer's step goes with its damage to the power of minus this. Damage grows with the square of
 * the step and bits with its logarithm, which would give 1/2; less is safer, as damages add up
 * unevenly and are known from one text. Measured: 0, 0.25 and 0.4 gave KL 0.0115, 0.0043, 0.0040.
 */
const DAMAGE_EXPONENT = 0.3;
/** No layer's step is further from the profile's than this factor. */
const DAMAGE_FACTOR_MAX = 3;

/** Heads below this recall score have the steps of their layer. */
const RECALL_SCORE_MIN = 0.05;
/** A head's steps go with its recall score to the power of minus this. */
const RECALL_EXPONENT = 0.5;
/** No head's step is finer than its layer's by more than this factor. */
const RECALL_FACTOR_MIN = 0.3;
/**
 * The geometric mean over heads is not less: recall takes 0.15 bits a value at most. Of a model
 * with few heads most may recall; all steps are coarser then, since a profile would save little
 * there and do far less damage than elsewhere.
 */
const RECALL_MEAN_MIN = 0.9;
/**
 * Values this many standard deviations from their channel's mean have codes up to this: one beyond
 * 127 makes its token's whole step coarser, so a channel that ranges far gets a coarser step.
 */
const REACH_DEVIATIONS = 4;
const REACH_CODES = 100;

/** Static tables by layer. */
export function calibratedTables(
  calibration: Calibration,
  profile: BandedProfile,
): BandedTables[] {
  const factors = layerFactors(calibration, profile);
  const heads = headFactors(calibration);
  const step = stepFactor(calibration, profile);
  const steps = { keyStep: profile.keyStep * step, valueStep: profile.valueStep * step };
  return calibration.layers.map((layer, index) =>
    layerTables(layer, steps, { ...factors[index], heads: heads[index] })
  );
}

/** What a profile's steps are multiplied by so that it holds its promise; 1 if it has none. */
export function stepFactor(calibration: Calibration, profile: BandedProfile): number {
  return promisedDivergence(profile) === null ? 1 : calibration.stepFactor ?? 1;
}

/**
 * What the profile's steps are multiplied by, by layer: the profile's own factors, or those that
 * follow from the calibration's damages, or 1 everywhere.
 *
 * @throws {RangeError} if the profile has factors for another number of layers.
 */
export function layerFactors(
  calibration: Calibration,
  profile: BandedProfile,
): readonly LayerFactors[] {
  const { layers } = calibration;
  if (profile.layerFactors !== null) {
    if (profile.layerFactors.length === layers.length) return profile.layerFactors;
    throw new RangeError(
      `Cannot use factors of ${profile.layerFactors.length} layers: the model has ${layers.length}`,
    );
  }
  if (!hasDamage(calibration)) return layers.map(() => ({ key: 1, value: 1 }));
  const key = damageFactors(layers.map(({ damage }) => damage!.key));
  const value = damageFactors(layers.map(({ damage }) => damage!.value));
  return layers.map((_, index) => ({ key: key[index], value: value[index] }));
}

/** Whether steps by layer follow from it. */
export function hasDamage({ layers }: Calibration): boolean {
  return layers.every(({ damage }) => damage !== undefined);
}

/** A layer whose damage was not measured, as one that sees a window, says nothing of others. */
function damageFactors(damages: readonly number[]): number[] {
  const logs = damages.filter((damage) => damage > 0).map(logOf);
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  return damages.map((damage) => {
    if (damage === 0) return 1;
    const factor = Math.exp(DAMAGE_EXPONENT * (mean - logOf(damage)));
    return Math.min(Math.max(factor, 1 / DAMAGE_FACTOR_MAX), DAMAGE_FACTOR_MAX);
  });
}

function logOf(damage: number): number {
  return Math.log(Math.max(damage, 1e-9));
}

function layerTables(
  layer: LayerCalibration,
  profile: Pick<BandedProfile, "keyStep" | "valueStep">,
  factors: LayerFactors & { heads: readonly number[] },
): BandedTables {
  const headSize = divExact(layer.queryEnergy.length, layer.recall.length);
  const stepsOf = (side: SideSpread, step: number) =>
    layer.queryEnergy.map((_, channel) => {
      const wanted = step * factors.heads[Math.floor(channel / headSize)];
      return Math.max(wanted, reach(side, channel) / REACH_CODES);
    });
  const key = stepsOf(layer.key, profile.keyStep * factors.key);
  const value = stepsOf(layer.value, profile.valueStep * factors.value);
  return bandedTables({
    keyStep: layer.queryEnergy.map((energy, channel) => key[channel] / energy),
    valueStep: value.map((step) => step * layer.normReference),
    normReference: layer.normReference,
    bands: bandTables(layer, { key, value }),
  });
}

function reach({ mean, between, within }: SideSpread, channel: number): number {
  const deviation = Math.sqrt(between[channel] ** 2 + within[channel] ** 2);
  return Math.abs(mean[channel]) + REACH_DEVIATIONS * deviation;
}

/**
 * What the steps of all heads are multiplied by, `[layer][kvHeadCount]`: their recall factors, over
 * their mean where that is low. Layers whose damage was not measured have their own: such as see a
 * window recall nothing from behind it.
 */
export function headFactors({ layers }: Pick<Calibration, "layers">): number[][] {
  const own = layers.map(recallFactors);
  const logs = own.filter((_, layer) => isCounted(layers[layer])).flat().map(Math.log);
  const meanLog = logs.reduce((sum, log) => sum + log, 0) / Math.max(1, logs.length);
  const limit = Math.log(RECALL_MEAN_MIN);
  if (meanLog >= limit) return own;
  const scale = Math.exp(limit - meanLog);
  return own.map((heads, layer) =>
    isCounted(layers[layer]) ? heads.map((factor) => factor * scale) : heads
  );
}

function isCounted({ damage }: LayerCalibration): boolean {
  return damage === undefined || damage.key > 0 || damage.value > 0;
}

/** How much finer the steps of a layer's heads are for what they recall, `[kvHeadCount]`. */
export function recallFactors({ recall }: Pick<LayerCalibration, "recall">): number[] {
  return Array.from(recall, (score) => {
    const factor = (RECALL_SCORE_MIN / Math.max(score, RECALL_SCORE_MIN)) ** RECALL_EXPONENT;
    return Math.max(factor, RECALL_FACTOR_MIN);
  });
}
