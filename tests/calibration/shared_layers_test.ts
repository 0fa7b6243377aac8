/** The calibration of layers that others read. */

import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { Calibration, LayerCalibration } from "../../src/calibration/calibration.ts";
import { sharedCalibration } from "../../src/calibration/shared_layers.ts";
import { hasDamage, headFactors } from "../../src/calibration/tables.ts";

function layer(energy: number, recall: number, damage: number): LayerCalibration {
  const all = (value: number) => new Float32Array(4).fill(value);
  const side = { mean: all(1), between: all(2), within: all(3) };
  return {
    normReference: 1,
    queryEnergy: all(energy),
    recall: Float32Array.of(recall),
    key: side,
    value: side,
    damage: { key: damage, value: 2 * damage },
  };
}

Deno.test("sharedCalibration() asks of a layer what all who read it ask; who reads packs nothing", () => {
  const calibration: Calibration = {
    modelFingerprint: "0".repeat(32),
    textFingerprint: "1".repeat(32),
    tokenCount: 128,
    layers: [layer(1, 0.1, 0.5), layer(2, 0.2, 1), layer(7, 0.4, 2)],
  };
  const { layers } = sharedCalibration(calibration, [0, 1, 0]);
  const [first, second, third] = layers;
  assertAlmostEquals(first.queryEnergy[0], 5, 1e-6, "root mean square of 1 and 7");
  assertAlmostEquals(first.recall[0], 0.4, 1e-6);
  assertEquals(first.damage, { key: 2.5, value: 5 });
  // In units of a score: the same keys, read by queries five times as large.
  assertEquals([...first.key.mean], [5, 5, 5, 5]);
  assertEquals([...first.key.within], [15, 15, 15, 15]);
  assertEquals(first.value, calibration.layers[0].value, "values have their own unit");
  assertEquals(second, calibration.layers[1]);
  assertEquals(third.damage, { key: 0, value: 0 });
  assertEquals(hasDamage({ ...calibration, layers }), true);
  assertEquals(headFactors({ layers }).length, 3);
});
