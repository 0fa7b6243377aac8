import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { Calibration, LayerCalibration } from "../../src/calibration/calibration.ts";
import {
  calibratedTables,
  headFactors,
  layerFactors,
  recallFactors,
} from "../../src/calibration/tables.ts";
import { codecProfile, needsCalibration } from "../../src/codec/profile.ts";

const HEAD_SIZE = 32;
const HEAD_COUNT = 2;
const CHANNEL_COUNT = HEAD_COUNT * HEAD_SIZE;

function filled(value: number): Float32Array {
  return new Float32Array(CHANNEL_COUNT).fill(value);
}

function calibration(layer: Partial<LayerCalibration>): Calibration {
  const spread = () => ({ mean: filled(0), between: filled(3), within: filled(3) });
  const own = {
    normReference: 1,
    recall: new Float32Array(HEAD_COUNT),
    queryEnergy: filled(1),
    key: spread(),
    value: spread(),
    ...layer,
  };
  return {
    modelFingerprint: "0".repeat(32),
    textFingerprint: "0".repeat(32),
    tokenCount: 1,
    layers: [own],
  };
}

function tablesOf(layer: Partial<LayerCalibration>, keyStep = 2) {
  const profile = codecProfile({ name: "balanced", keyStep });
  assert(needsCalibration(profile));
  return calibratedTables(calibration(layer), profile)[0];
}

Deno.test("calibratedTables() multiplies near-lossless's own steps by the step factor, and no others", () => {
  const stepOf = (options: { name: "near-lossless" | "balanced"; keyStep?: number }) => {
    const profile = codecProfile(options);
    assert(needsCalibration(profile));
    const held = { ...calibration({}), stepFactor: 0.25 };
    return calibratedTables(held, profile)[0].keyStep[0] / profile.keyStep;
  };
  assertAlmostEquals(stepOf({ name: "near-lossless" }), 0.25, 1e-6);
  assertAlmostEquals(stepOf({ name: "near-lossless", keyStep: 1 }), 1, 1e-6);
  assertAlmostEquals(stepOf({ name: "balanced" }), 1, 1e-6);
});

Deno.test("recallFactors() falls with the score from 0.05 on, and never below 0.3", () => {
  const factors = recallFactors({ recall: Float32Array.of(0, 0.05, 0.2, 0.4, 1) });
  [1, 1, 0.5, Math.sqrt(1 / 8), 0.3].forEach((wanted, index) => {
    assertAlmostEquals(factors[index], wanted, 1e-6);
  });
});

Deno.test("headFactors() lets heads that recall cost 0.15 bits a value, and no more", () => {
  const layersOf = (recalls: readonly number[], damages: readonly number[]) =>
    recalls.map((recall, index) => ({
      ...calibration({}).layers[0],
      recall: Float32Array.of(recall),
      damage: { key: damages[index], value: damages[index] },
    }));
  const few = headFactors({
    layers: layersOf([0.2, ...new Array(9).fill(0)], new Array(10).fill(1)),
  });
  assertEquals(few.flat().map((factor) => factor.toFixed(4)), [
    "0.5000",
    ...new Array(9).fill("1.0000"),
  ]);
  const layers = layersOf([0.2, 0, 0.2, 0], [1, 1, 1, 0]);
  const most = headFactors({ layers }).flat();
  assertAlmostEquals(Math.cbrt(most[0] * most[1] * most[2]), 0.9, 1e-6);
  assertAlmostEquals(most[0] / most[1], 0.5, 1e-6);
  // The last one's damage was not measured, as of layers that see a window.
  assertEquals([most[0], most[3]], [most[2], 1]);
});

Deno.test("layerFactors() leaves out layers whose damage was not measured, as those that see a window", () => {
  const profile = codecProfile({ name: "balanced" });
  assert(needsCalibration(profile));
  const factorsOf = (damages: readonly number[]) => {
    const layers = damages.map((damage) => ({
      ...calibration({}).layers[0],
      damage: { key: damage, value: damage },
    }));
    return layerFactors({ ...calibration({}), layers }, profile);
  };
  const [low, high] = factorsOf([0.001, 0.004]);
  assert(low.key > 1 && high.key < 1, "the geometric mean lies between");
  const none = { key: 1, value: 1 };
  assertEquals(factorsOf([0, 0.001, 0, 0, 0.004, 0]), [none, low, none, none, high, none]);
});

Deno.test("calibratedTables() gives a head that recalls finer steps", () => {
  const tables = tablesOf({ recall: Float32Array.of(0, 0.05 / 0.9 ** 2) });
  assertEquals(tables.keyStep[0], 2);
  assertAlmostEquals(tables.keyStep[HEAD_SIZE], 1.8, 1e-6);
  const { valueStep } = tables;
  assertAlmostEquals(valueStep[HEAD_SIZE], 0.9 * valueStep[0], 1e-6);
  const bandsOf = (channel: number) => tables.bands.slice(channel * 8, channel * 8 + 8);
  assert(bandsOf(0).some((word, index) => word !== bandsOf(HEAD_SIZE)[index]));
});

Deno.test("calibratedTables() makes a channel's step coarser where codes would leave their range", () => {
  const mean = filled(0);
  mean[5] = 300;
  const key = { mean, between: filled(3), within: filled(4) };
  const { keyStep } = tablesOf({ key });
  // |300| + 4 deviations of 5 in 100 codes.
  assertAlmostEquals(keyStep[5], 3.2, 1e-6);
  assert(keyStep.every((step, channel) => channel === 5 || step === 2));
});
