/**
 * Which layers share: as published, and by what sharing does to the model's next tokens.
 *
 * @module
 */

import { EngineError } from "../../core/errors.ts";
import { modelFingerprint } from "../../runtime/fingerprint.ts";
import type { LayerMap, LayerSearch, MappedLayer } from "../../runtime/layer_map.ts";
import type { LoadedModel, OnProgress } from "../../runtime/load_model.ts";
import { textFingerprint } from "../../runtime/calibration_run.ts";
import { pairsThatCanShare } from "../../runtime/shared_model.ts";
import type { SharedLayer } from "../../runtime/types.ts";
import { byDistance } from "./distances.ts";
import type { SharingTexts } from "./texts.ts";
import { type SharingEffect, SharingTrial, type WantedEffect } from "./trial.ts";

/** A pair is taken while the final hidden states stay more alike than this. */
export const COSINE_MIN = 0.5;
/** Sources of a layer that the search by divergence tries: the most alike ones, beside two more. */
const ALIKE_COUNT = 2;
/** Pairs that are tried beside those taken so far, in each round of the search by divergence. */
const TRIED_PER_ROUND = 4;

/** What is tried, and how. */
export type TryPairs = (
  pairs: readonly SharedLayer[],
  wanted: WantedEffect,
) => Promise<SharingEffect>;

/**
 * Finds `count` layers that share.
 *
 * @throws {EngineError} `invalid_request` if so many cannot be found.
 */
export async function searchLayers(
  model: LoadedModel,
  options: { count: number; search: LayerSearch; texts: SharingTexts; onProgress: OnProgress },
): Promise<LayerMap> {
  const { count, search, texts, onProgress } = options;
  const { layers: planned } = model.plan;
  const able = pairsThatCanShare(model);
  const ableCount = new Set(able.map(({ layer }) => layer)).size;
  if (count > ableCount) {
    const message = `Cannot let ${count} layers share: ${ableCount} of ${planned.length} can`;
    throw new EngineError("invalid_request", message, { param: "share" });
  }
  onProgress("reading the text", 0);
  const trial = await SharingTrial.create(model, texts);
  const tryPairs: TryPairs = (pairs, wanted) => trial.effect(pairs, wanted);
  const headSizeOf = (layer: number) => planned[layer].attention.headShape.headSize;
  const pairs = byDistance(able, trial.means.finish(), headSizeOf);
  const layers = search === "published"
    ? await searchPublished(pairs, { count, tryPairs, onProgress })
    : await searchByDivergence(pairs, { count, tryPairs, onProgress });
  return {
    version: 1,
    modelFingerprint: modelFingerprint(model.file),
    layerCount: planned.length,
    search,
    textFingerprint: textFingerprint([...texts.pieces.flat(), ...texts.runIds]),
    layers,
  };
}

/** How a search goes on. */
export interface SearchOptions {
  count: number;
  tryPairs: TryPairs;
  onProgress: OnProgress;
}

/**
 * KVSharer's algorithm 1: pairs in the order given, the least alike first; one is taken if its
 * layer does not share yet and the mean cosine of the final hidden states stays above
 * {@link COSINE_MIN}.
 *
 * @throws {EngineError} `invalid_request` if all pairs are tried before there are enough.
 */
export async function searchPublished(
  pairs: readonly SharedLayer[],
  { count, tryPairs, onProgress }: SearchOptions,
): Promise<MappedLayer[]> {
  const taken: MappedLayer[] = [];
  let triedCount = 0;
  for (const { layer, source } of pairs) {
    if (taken.length === count) break;
    if (taken.some((other) => other.layer === layer)) continue;
    onProgress(`${taken.length} of ${count} layers, ${triedCount++} tried`, taken.length / count);
    const { cosine } = await tryPairs([...taken, { layer, source }], "cosine");
    if (!(cosine > COSINE_MIN)) continue;
    const { kl } = await tryPairs([...taken, { layer, source }], "kl");
    taken.push({ layer, source, cosine, kl });
  }
  if (taken.length === count) return taken;
  throw new EngineError(
    "invalid_request",
    `Cannot let ${count} layers share: all ${pairs.length} pairs are tried, and with ` +
      `${taken.length} more would leave hidden states less alike than ${COSINE_MIN}`,
    { param: "share" },
  );
}

/**
 * Of each layer the sources that are worth a run: the two most alike, the least alike, which is
 * what the paper would take, and its neighbour.
 */
function worthTrying(pairs: readonly SharedLayer[]): SharedLayer[] {
  const layers = [...new Set(pairs.map(({ layer }) => layer))].sort((a, b) => a - b);
  return layers.flatMap((layer) => {
    const own = pairs.filter((pair) => pair.layer === layer);
    const neighbour = own.reduce((a, b) => b.source > a.source ? b : a);
    return [...new Set([own[0], neighbour, ...own.slice(-ALIKE_COUNT)])];
  });
}

/**
 * Pairs that are {@link worthTrying}, each by itself; then, in each round, the best few of the
 * layers that do not share yet are tried with those taken, and the one with the least mean KL is
 * taken.
 */
export async function searchByDivergence(
  ranked: readonly SharedLayer[],
  { count, tryPairs, onProgress }: SearchOptions,
): Promise<MappedLayer[]> {
  const pairs = worthTrying(ranked);
  const alone: (SharedLayer & { kl: number })[] = [];
  const runCount = pairs.length + count * TRIED_PER_ROUND;
  for (const { layer, source } of pairs) {
    onProgress(`pair ${alone.length + 1} of ${pairs.length}`, alone.length / runCount);
    const { kl } = await tryPairs([{ layer, source }], "kl");
    alone.push({ layer, source, kl });
  }
  alone.sort((a, b) => a.kl - b.kl);
  const taken: MappedLayer[] = [];
  while (taken.length < count) {
    const done = pairs.length + taken.length * TRIED_PER_ROUND;
    onProgress(`${taken.length} of ${count} layers`, done / runCount);
    const isOpen = ({ layer }: SharedLayer) => taken.every((other) => other.layer !== layer);
    const tried: (SharedLayer & { kl: number })[] = [];
    for (const { layer, source } of alone.filter(isOpen).slice(0, TRIED_PER_ROUND)) {
      const { kl } = await tryPairs([...taken, { layer, source }], "kl");
      tried.push({ layer, source, kl });
    }
    const best = tried.reduce((a, b) => b.kl < a.kl ? b : a);
    taken.push({ layer: best.layer, source: best.source, cosine: null, kl: best.kl });
  }
  return taken;
}
