/**
 * Which variants of kernels a device gets: measured once on a model's own shapes, then kept.
 *
 * @module
 */

import type { Gpu } from "../gpu/gpu.ts";
import { cacheBufferBytes } from "../kvcache/kv_cache.ts";
import { attentionContests, type TunedAttention } from "./attention.ts";
import { choicesPath, type KeptChoices, readChoices, writeChoices } from "./kept_choices.ts";
import { productContests } from "./products.ts";
import { productWeights, type TunedModel } from "./product_weights.ts";
import { type Contest, type Placing, race } from "./race.ts";
import { deviceTimer, type Timer } from "./timer.ts";

/** Longest that measuring takes, milliseconds; the next start goes on where it ended. */
export const TUNE_MS_MAX = 5000;

/** Of activations and partial results that attention is timed with. */
const WORK_BYTES = 64 * 2 ** 20;

/** `on`: what is kept, else measured. `again`: measured. `off`: in the order of the tables. */
export type TuneMode = "on" | "again" | "off";

/** What was chosen, and why. */
export interface Tuning {
  /** `tables`: nothing was measured. `kept`: at an earlier start. `measured`: at this one. */
  source: "tables" | "kept" | "measured";
  /** In words. */
  note: string;
  /** Where a variant was faster than the first of its table. */
  choices: readonly { key: string; name: string; gain: number }[];
}

/** What is tuned, and how. */
export interface TuneOptions {
  mode: TuneMode;
  model: TunedModel;
  /** What attention is timed on. */
  attention: () => Omit<TunedAttention, "model">;
  onProgress: (message: string, fraction: number) => void;
  /** Where choices are kept; the user's cache folder if left out. */
  folder?: string;
  /** The device's clock if left out. */
  time?: Timer;
  /** Milliseconds, to see whether it takes too long. */
  now?: () => number;
}

/** Chooses, and makes `gpu.facts.tuned` say so: before the kernels of the model are made. */
export async function tune(gpu: Gpu, options: TuneOptions): Promise<Tuning> {
  const { mode } = options;
  const untuned = (note: string): Tuning => ({ source: "tables", note, choices: [] });
  if (mode === "off") return untuned("not tuned: switched off");
  if (mode === "on" && gpu.facts.isFallback) {
    return untuned(
      "not tuned: on a CPU the tables' order was measured, and times vary with what else runs",
    );
  }
  const { folder, onProgress } = options;
  const path = choicesPath(gpu.facts, folder);
  const notes: string[] = [];
  const kept = await readChoices(path, (message) => notes.push(message));
  const { placings, isComplete, hasRoom, wasKept } = await measure(
    gpu,
    options,
    mode === "on" ? kept : {},
  );
  const measuredCount = placings.filter(({ key }) => !wasKept.has(key)).length;
  if (measuredCount > 0) {
    const all: Record<string, KeptChoices[string]> = { ...kept };
    for (const { keptAs, name, gain } of placings) all[keptAs] = { name, gain };
    await writeChoices(path, all).catch((error: Error) => notes.push(error.message));
  }
  const choices = placings.filter(({ gain }) => gain > 1)
    .map(({ key, name, gain }) => ({ key, name, gain }));
  const refused = placings.flatMap((placing) =>
    Object.entries(placing.refused).map(([name, why]) => `${placing.key}: not ${name}: ${why}`)
  );
  const note = [
    `${placings.length} products and parts of attention, ${choices.length} by other variants ` +
    "than the tables'",
    ...(isComplete ? [] : [`the rest at the next start: ${TUNE_MS_MAX / 1000} s were over`]),
    ...(hasRoom ? [] : ["attention was not: the device has no room for a cache to time it on"]),
    ...refused,
    ...notes,
  ].join("; ");
  onProgress("tuning kernels", 1);
  return { source: measuredCount > 0 ? "measured" : "kept", note, choices };
}

interface Measured {
  placings: Placing[];
  /** Whether there was time for all. */
  isComplete: boolean;
  /** Whether there was room to time attention. */
  hasRoom: boolean;
  /** Keys of choices that were not measured now. */
  wasKept: ReadonlySet<string>;
}

/** Goes through all contests; those of which something is kept are not run. */
async function measure(
  gpu: Gpu,
  { model, attention, onProgress, time = deviceTimer(gpu), now = () => performance.now() }:
    TuneOptions,
  kept: KeptChoices,
): Promise<Measured> {
  const startMs = now();
  const isLate = () => now() - startMs > TUNE_MS_MAX;
  const placings: Placing[] = [];
  const wasKept = new Set<string>();
  let [isComplete, hasRoom] = [true, true];
  const chosen: Record<string, string> = {};
  const isKept = ({ keptAs, names }: Contest) =>
    names.length < 2 || names.includes(kept[keptAs]?.name);
  const run = async (contests: readonly Contest[]) => {
    for (const [index, contest] of contests.entries()) {
      const { key, keptAs, names } = contest;
      if (names.length < 2) continue;
      onProgress(`tuning kernels: ${key}`, index / contests.length);
      const isKnown = isKept(contest);
      if (isKnown) wasKept.add(key);
      const placing = isKnown
        ? { key, keptAs, ...kept[keptAs], times: {}, refused: {} }
        : await race(contest, isLate);
      if (placing === null) {
        isComplete = false;
        continue; // what is kept of the others still counts
      }
      placings.push(placing);
      if (placing.name !== names[0]) chosen[key] = placing.name;
      gpu.facts.tuned = { ...chosen };
    }
  };
  gpu.facts.tuned = {};
  const products = productContests(gpu, productWeights(model), { time, math: model.math });
  try {
    await run(products.contests);
  } finally {
    products.destroy();
  }
  const staged = { ...attention(), model };
  const ofAttention = attentionContests(gpu, staged, time);
  const sizes = [...cacheBufferBytes(staged.cacheShape), WORK_BYTES];
  // Nothing is raced, nor is there a need of room, where all is kept or it is too late.
  hasRoom = isLate() || ofAttention.contests.every(isKept) || await gpu.hasRoomFor(sizes);
  try {
    if (hasRoom) await run(ofAttention.contests);
  } finally {
    ofAttention.destroy();
  }
  return { placings, isComplete, hasRoom, wasKept };
}
