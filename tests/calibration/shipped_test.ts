import { assert, assertEquals } from "@std/assert";
import { parseCalibration } from "../../src/calibration/calibration.ts";
import { shippedPath } from "../../src/calibration/store.ts";
import { calibratedTables, layerFactors } from "../../src/calibration/tables.ts";
import { codecProfile, needsCalibration } from "../../src/codec/profile.ts";
import { calibrationIds, fileOwner } from "../../src/runtime/calibration_source.ts";
import { CALIBRATION_TOKEN_COUNT, textFingerprint } from "../../src/runtime/calibration_run.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { defaultModelPath } from "../support/default_model.ts";

Deno.test("the default model comes with a calibration on the built-in text, with steps by layer", async () => {
  const file = await readGguf(defaultModelPath());
  const owner = fileOwner(file);
  const path = shippedPath(owner.modelFingerprint);
  const calibration = parseCalibration(await Deno.readFile(path), { ...owner, path });
  const ids = calibrationIds(file).slice(0, CALIBRATION_TOKEN_COUNT);
  assertEquals(calibration.textFingerprint, textFingerprint(ids));
  assertEquals(calibration.tokenCount, ids.length);
  const profile = codecProfile({ name: "balanced" });
  assert(needsCalibration(profile));
  const factors = layerFactors(calibration, profile);
  assert(factors.some(({ key }) => key < 0.7) && factors.some(({ key }) => key > 1.3));
  assertEquals(calibratedTables(calibration, profile).length, owner.layerCount);
});
