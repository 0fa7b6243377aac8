/**
 * `packkv calibrate`: measures what calibrated profiles need to know of a model.
 *
 * @module
 */

import { measureDamage } from "../../src/evaluation/layer_damage.ts";
import { calibrate, type CalibrationRequest } from "../../src/runtime/calibration_source.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { loadModel } from "../../src/runtime/load_model.ts";
import { ensureModel } from "../setup/model_path.ts";
import { ProgressLine } from "../setup/progress.ts";
import type { Command } from "./command.ts";
import { parseFlags } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

/** The command. */
export const calibrateCommand: Command = {
  name: "calibrate",
  summary: "measure a model for the calibrated profiles",
  usage: "",
  flags: {
    model: {
      value: "MODEL",
      help: "GGUF file, or owner/repo:file.gguf of the hub (default: SmolLM2-135M-Instruct)",
    },
    text: { value: "FILE", help: "text to measure on (default: one that comes with the program)" },
    output: { value: "FILE", help: "where the result goes (default: where serve looks for it)" },
    damage: { help: "also measure each layer's damage, for steps by layer: many passes" },
    state: { value: "FOLDER", help: "keep what --damage has done, so that a cut run goes on" },
  },
  examples: [
    "packkv calibrate --model ./model.gguf",
    "packkv calibrate --damage --state calibration-state",
  ],
  notes: [
    "Calibrated profiles (balanced, near-lossless, tight) give each channel of the keys a step",
    "that follows how large its queries are. Serving measures that by itself at the first start",
    "of a model, in two short passes. With --damage steps also follow how much each layer's error",
    "matters; that takes two passes for each layer. The same model, text and device give the",
    "same file.",
  ],
  needsGpu: true,
  run,
};

async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, calibrateCommand.flags);
  flags.refusePositionals();
  const withDamage = flags.has("damage");
  const stateFolder = flags.text("state");
  if (stateFolder !== null && !withDamage) {
    throw new UsageError("Cannot use --state without --damage");
  }
  const textPath = flags.text("text");
  const request: CalibrationRequest = {
    text: textPath === null ? null : await readText(textPath),
    output: flags.text("output"),
  };
  const modelPath = await ensureModel(flags.text("model"));
  const progress = new ProgressLine();
  const model = await loadModel(await readGguf(modelPath), progress.update);
  try {
    const path = await calibrate(model, request, {
      onProgress: progress.update,
      refine: withDamage
        ? (calibration, ids) =>
          measureDamage(model, { calibration, ids }, {
            onProgress: progress.update,
            ...(stateFolder === null ? {} : { stateFolder }),
          })
        : null,
    });
    progress.finish();
    console.log(`calibration written to ${path}`);
    return 0;
  } finally {
    progress.finish();
    model.gpu.close();
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot read --text ${path}: ${reason}`);
  }
}
