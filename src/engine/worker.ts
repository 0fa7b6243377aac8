/**
 * Entry of the GPU worker: owns the device, loads the model, runs the step loop, answers messages.
 *
 * @module
 */

import { serialiseCalibration } from "../calibration/calibration.ts";
import { EngineError } from "../core/errors.ts";
import { loadRuntime, type Runtime } from "../runtime/load.ts";
import type { FailureMessage, FromWorker, ToWorker } from "./messages.ts";
import { StepLoop } from "./step_loop.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToWorker>) => void;
  postMessage(message: FromWorker): void;
  close(): void;
};

/** Of the time for the tiers, for blocks that are still to be copied from the device. */
const COPY_SHARE = 2 / 3;

let runtime: Runtime | null = null;
let loop: StepLoop | null = null;

scope.onmessage = ({ data }) => {
  switch (data.type) {
    case "load":
      return void load(data.options);
    case "close":
      return void close(data.tiersLimitMs);
    case "generate":
      return loop?.generate(data);
    case "abort":
      return loop?.abort(data.sequenceId);
    case "stats":
      if (loop === null) return;
      return send({ type: "stats", requestId: data.requestId, stats: loop.stats() });
    case "slots":
      if (loop === null) return;
      return send({ type: "slots", requestId: data.requestId, slots: loop.slots.slots() });
    case "slot_action":
      return void actOnSlot(data);
  }
};

async function actOnSlot(
  { requestId, slot, action }: Extract<ToWorker, { type: "slot_action" }>,
): Promise<void> {
  if (loop === null) return;
  const { slots } = loop;
  try {
    const outcome = action.type === "erase"
      ? slots.erase(slot)
      : await slots[action.type](slot, action.path);
    loop.wake();
    send({ type: "slot_outcome", requestId, outcome });
  } catch (error) {
    send({ type: "refused", requestId, failure: failureOf(error) });
  }
}

async function load(options: Parameters<typeof loadRuntime>[0]): Promise<void> {
  try {
    runtime = await loadRuntime(options, (message, fraction) => {
      send({ type: "progress", message, fraction });
    });
    await runtime.gpu.throwIfFailedByNow();
    loop = watchedLoop(runtime);
    reportBlocks(runtime);
    const { info, measuredCalibration: measured } = runtime;
    const measuredCalibration = measured === null ? null : serialiseCalibration(measured);
    send({ type: "ready", info, measuredCalibration });
    await loop.run();
  } catch (error) {
    // It may be the echo of a failure that the device itself names.
    fail(await runtime?.gpu.failureByNow() ?? error);
  }
}

/** A loop that ends with the first failure of the device, since later results are worthless. */
function watchedLoop(runtime: Runtime): StepLoop {
  const { gpu } = runtime;
  const loop = new StepLoop(runtime, send);
  gpu.onFailure = (code, message) => {
    fail(new EngineError(code, message));
    void loop.stop();
  };
  return loop;
}

/** Sends what happened to blocks, gathered over what one task did. */
function reportBlocks({ blockEvents }: Runtime): void {
  if (blockEvents === null) return;
  const report = () => send({ type: "blocks", events: blockEvents.drain() });
  blockEvents.onFirst = () => setTimeout(report, 0);
}

/** Frees the device before leaving: ending a worker with a live device can crash the process. */
async function close(tiersLimitMs: number): Promise<void> {
  const latestMs = performance.now() + tiersLimitMs;
  await loop?.finish(tiersLimitMs * COPY_SHARE);
  const tiers = Promise.all([runtime?.disk?.close(), runtime?.store?.close()]);
  const late = new Promise((resolve) => setTimeout(resolve, latestMs - performance.now()));
  await Promise.race([tiers, late]);
  await runtime?.gpu.idle();
  runtime?.gpu.close();
  send({ type: "closed" });
  scope.close();
}

function fail(error: unknown): void {
  send({ type: "failed", failure: failureOf(error) });
}

function failureOf(error: unknown): FailureMessage {
  if (error instanceof EngineError) {
    return { code: error.code, message: error.message, param: error.param };
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { code: "gpu_validation", message: `Engine stopped: ${message}`, param: null };
}

function send(message: FromWorker): void {
  scope.postMessage(message);
}
