/** What `near-lossless` promises, held on a model. */

import { assert } from "@std/assert";
import { stepFactor } from "../../src/calibration/tables.ts";
import { codecProfile, needsCalibration } from "../../src/codec/profile.ts";
import { SLICE_TOKEN_COUNT } from "../../src/core/shapes.ts";
import { measureCalibration } from "../../src/runtime/calibration_run.ts";
import { calibrationIds } from "../../src/runtime/calibration_source.ts";
import { meanDivergence, withPromise } from "../../src/runtime/held_promise.ts";
import type { LoadedModel } from "../../src/runtime/load_model.ts";
import { createSequenceRun } from "../../src/runtime/sequence_run.ts";

/** The promise, in nats. */
const DIVERGENCE_MAX = 0.005;
/** As few as can be: of the first start's text, and so one block of 64 is packed as in a prompt. */
const CALIBRATION_TOKENS = 256;

/** A prompt, and what `exact` gives for it. */
export interface PromiseCase {
  name: string;
  promptIds: readonly number[];
  /** Logits of the last slice. */
  exact: readonly Float32Array[];
  /** The step factor that the first start finds: a power of `2 ** -0.25`. */
  place: number;
  /** Whether it is found here, to one place: devices round apart. */
  isFoundAgain: boolean;
}

/**
 * Holds `near-lossless` on what the window leaves of a prompt against `exact`, with the steps that
 * the first start of a model finds.
 */
export async function assertPromise(
  model: LoadedModel,
  { name, promptIds, exact, place, isFoundAgain }: PromiseCase,
): Promise<void> {
  const profile = codecProfile({ name: "near-lossless" });
  assert(needsCalibration(profile));
  const ids = calibrationIds(model.file).slice(0, CALIBRATION_TOKENS);
  const measured = await measureCalibration(model, ids, () => {});
  const calibration = { ...measured, stepFactor: 2 ** (-place / 4) };
  if (isFoundAgain) {
    const found = await withPromise(model, { calibration: measured, profile, ids }, () => {});
    const foundPlace = -4 * Math.log2(found.stepFactor!);
    assert(Math.abs(foundPlace - place) < 1.1, `the factor found is ${found.stepFactor}`);
  }
  const run = await createSequenceRun(model, { profile, promptIds, calibration });
  try {
    for (let end = SLICE_TOKEN_COUNT; end < promptIds.length; end += SLICE_TOKEN_COUNT) {
      await run.nextSlice({ wantsLogits: false });
    }
    const divergence = meanDivergence(exact, await run.nextSlice({ wantsLogits: true }));
    const { raw, packed } = run.cacheBytes();
    console.log(
      `${name}: mean KL ${divergence.toFixed(4)}, steps times ` +
        `${stepFactor(calibration, profile).toFixed(2)}, ${
          (raw / packed).toFixed(2)
        } times smaller`,
    );
    assert(packed > 0 && divergence > 0, "a block is packed");
    assert(divergence < DIVERGENCE_MAX, `mean KL of ${name} is ${divergence}`);
  } finally {
    run.destroy();
  }
}
