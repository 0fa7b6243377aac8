/**
 * `packkv calibrate`: measures what calibrated profiles need to know of a model.
 *
 * @module
 */

import { measureDamage } from "../../src/evaluation/layer_damage.ts";
import { searchLayers } from "../../src/evaluation/layer_sharing/search.ts";
import { sharingTexts } from "../../src/evaluation/layer_sharing/texts.ts";
import { calibrate, type CalibrationRequest } from "../../src/runtime/calibration_source.ts";
import {
  LAYER_SEARCHES,
  layerMapPath,
  type LayerSearch,
  saveLayerMap,
} from "../../src/runtime/layer_map.ts";
import type { LoadedModel, OnProgress } from "../../src/runtime/load_model.ts";
import { ensureModel } from "../setup/model_path.ts";
import { ProgressLine } from "../setup/progress.ts";
import { ADAPTER_FLAGS, readAdapter } from "./adapter_flags.ts";
import type { Command } from "./command.ts";
import { type Flags, parseFlags } from "./flags.ts";
import { loadMeasured } from "./measured_model.ts";
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
    share: { value: "N", help: "find N layers that can read what others keep instead (--share)" },
    "share-by": {
      value: "SEARCH",
      choices: LAYER_SEARCHES,
      help: "how: as published, or by divergence, in more runs (default: divergence)",
    },
    ...ADAPTER_FLAGS,
    state: { value: "FOLDER", help: "keep what --damage has done, so that a cut run goes on" },
  },
  examples: [
    "packkv calibrate --model ./model.gguf",
    "packkv calibrate --damage --state calibration-state",
    "packkv calibrate --share 8",
  ],
  notes: [
    "Calibrated profiles (balanced, near-lossless, tight) give each channel of the keys a step",
    "that follows how large its queries are. Serving measures that by itself at the first start",
    "of a model, in two short passes. With --damage steps also follow how much each layer's error",
    "matters; that takes two passes for each layer. The same model, text and device give the",
    "same file.",
    "--share finds layers that can do without keys and values of their own, in the order in which",
    "they are given up, for serve --share kvsharer:N. It measures nothing else.",
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
  const sharing = readSharing(flags);
  if (sharing !== null && withDamage) throw new UsageError("Cannot use --damage with --share");
  const textPath = flags.text("text");
  const request: CalibrationRequest = {
    text: textPath === null ? null : await readText(textPath),
    output: flags.text("output"),
  };
  const adapter = readAdapter(flags);
  const modelPath = await ensureModel(flags.text("model"));
  const progress = new ProgressLine();
  const model = await loadMeasured(modelPath, { math: "f32", adapter }, progress);
  try {
    if (sharing !== null) {
      const path = await findLayers(model, { ...request, ...sharing }, progress.update);
      progress.finish();
      console.log(`layers that share written to ${path}`);
      return 0;
    }
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

/** Layers to find; null if none are asked for. */
function readSharing(flags: Flags): { count: number; search: LayerSearch } | null {
  const count = flags.number("share", { min: 1, max: 1024, isInteger: true });
  const search = flags.text("share-by") as LayerSearch | null;
  if (count !== null) return { count, search: search ?? "divergence" };
  if (search !== null) throw new UsageError("Cannot use --share-by without --share");
  return null;
}

async function findLayers(
  model: LoadedModel,
  { text, output, ...options }: CalibrationRequest & { count: number; search: LayerSearch },
  onProgress: OnProgress,
): Promise<string> {
  const texts = sharingTexts(model, text ?? undefined);
  const map = await searchLayers(model, { ...options, texts, onProgress });
  await model.gpu.throwIfFailedByNow();
  return await saveLayerMap(map, output ?? layerMapPath(map.modelFingerprint));
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot read --text ${path}: ${reason}`);
  }
}
