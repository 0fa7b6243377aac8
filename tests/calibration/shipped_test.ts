import { assert, assertEquals } from "@std/assert";
import { ensureGemmaModel } from "../../server/setup/gemma_model.ts";
import { type Calibration, parseCalibration } from "../../src/calibration/calibration.ts";
import { shippedPath } from "../../src/calibration/store.ts";
import { calibratedTables, hasDamage, layerFactors } from "../../src/calibration/tables.ts";
import { codecProfile, needsCalibration } from "../../src/codec/profile.ts";
import { readModelPlan } from "../../src/model/architectures/registry.ts";
import { calibrationIds, fileOwner } from "../../src/runtime/calibration_source.ts";
import { CALIBRATION_TOKEN_COUNT, textFingerprint } from "../../src/runtime/calibration_run.ts";
import { type GgufFile, readGguf } from "../../src/gguf/read_gguf.ts";
import { defaultModelPath } from "../support/default_model.ts";

/** The calibration that the program has for a file, held against the text that comes with it. */
async function shippedFor(file: GgufFile): Promise<Calibration> {
  const owner = fileOwner(file);
  const path = shippedPath(owner.modelFingerprint);
  const calibration = parseCalibration(await Deno.readFile(path), { ...owner, path });
  const ids = calibrationIds(file).slice(0, CALIBRATION_TOKEN_COUNT);
  assertEquals(calibration.textFingerprint, textFingerprint(ids));
  assertEquals(calibration.tokenCount, ids.length);
  assert(hasDamage(calibration), "its steps go by layer");
  return calibration;
}

function balanced() {
  const profile = codecProfile({ name: "balanced" });
  assert(needsCalibration(profile));
  return profile;
}

Deno.test("the default model comes with a calibration on the built-in text, with steps by layer", async () => {
  const calibration = await shippedFor(await readGguf(defaultModelPath()));
  const factors = layerFactors(calibration, balanced());
  assert(factors.some(({ key }) => key < 0.7) && factors.some(({ key }) => key > 1.3));
  assertEquals(calibratedTables(calibration, balanced()).length, calibration.layers.length);
});

Deno.test("Gemma 3 270M comes with one too, with damages of the layers that see everything alone", async () => {
  const file = await readGguf(await ensureGemmaModel());
  const calibration = await shippedFor(file);
  const factors = layerFactors(calibration, balanced());
  const windows = readModelPlan(file).layers.map(({ attention }) => attention.window);
  assertEquals(windows.filter((window) => window === null).length, 3);
  for (const [layer, window] of windows.entries()) {
    const { damage } = calibration.layers[layer];
    const isMeasured = damage !== undefined && damage.key > 0 && damage.value > 0;
    assertEquals(isMeasured, window === null, `layer ${layer}`);
    assertEquals(factors[layer].key !== 1, window === null, `layer ${layer}`);
  }
  assertEquals(calibratedTables(calibration, balanced()).length, windows.length);
});
