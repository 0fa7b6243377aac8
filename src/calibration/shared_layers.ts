/**
 * The calibration of a model of which some layers read the keys and values of others.
 *
 * @module
 */

import type { SideSpread } from "./bands.ts";
import type { Calibration, LayerCalibration } from "./calibration.ts";

/**
 * What is known of a kept layer is what all who read it ask of it: the root mean square of their
 * queries' energies, the largest recall, the sum of their damages. A layer that reads another's
 * packs nothing.
 *
 * @param sources By layer, whose keys and values it reads: its own index if it has its own.
 */
export function sharedCalibration(
  calibration: Calibration,
  sources: readonly number[],
): Calibration {
  const layers = calibration.layers.map((own, layer) => {
    if (sources[layer] !== layer) return withoutDamage(own);
    const readers = calibration.layers.filter((_, index) => sources[index] === layer);
    return readers.length === 1 ? own : readBy(own, readers);
  });
  return { ...calibration, layers };
}

function withoutDamage(own: LayerCalibration): LayerCalibration {
  return own.damage === undefined ? own : { ...own, damage: { key: 0, value: 0 } };
}

function readBy(own: LayerCalibration, readers: readonly LayerCalibration[]): LayerCalibration {
  const queryEnergy = own.queryEnergy.map((_, channel) => {
    const squares = readers.reduce((sum, other) => sum + other.queryEnergy[channel] ** 2, 0);
    return Math.sqrt(squares / readers.length);
  });
  const recall = own.recall.map((_, head) =>
    Math.max(...readers.map((other) => other.recall[head]))
  );
  const sumOf = (side: "key" | "value") =>
    readers.reduce((sum, { damage }) => sum + (damage?.[side] ?? 0), 0);
  return {
    ...own,
    queryEnergy,
    recall,
    // In units of a score, which the energies say.
    key: scaled(own.key, (channel) => queryEnergy[channel] / own.queryEnergy[channel]),
    ...(own.damage === undefined ? {} : { damage: { key: sumOf("key"), value: sumOf("value") } }),
  };
}

function scaled(side: SideSpread, factorOf: (channel: number) => number): SideSpread {
  const by = (values: SideSpread["mean"]) =>
    Float32Array.from(values, (value, channel) => value * factorOf(channel));
  return { mean: by(side.mean), between: by(side.between), within: by(side.within) };
}
