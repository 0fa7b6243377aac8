/**
 * Which layers of a model can read the keys and values of others, in the order in which they are
 * given up: a JSON file that `packkv calibrate --share` writes and `--share` reads.
 *
 * @module
 */

import { dirname } from "node:path";
import { calibrationPath, shippedPath } from "../calibration/store.ts";
import { EngineError } from "../core/errors.ts";
import type { SharedLayer } from "../model/shared_layers.ts";
import { writeAtomically } from "../tiers/atomic_file.ts";

/** How layers were chosen: as published, or by what sharing does to the model. */
export const LAYER_SEARCHES = ["published", "divergence"] as const;

/** One of {@link LAYER_SEARCHES}. */
export type LayerSearch = typeof LAYER_SEARCHES[number];

/** A layer that shares, with what was measured once it and those before it did. */
export interface MappedLayer extends SharedLayer {
  /** Mean cosine of the final hidden states to those of the model itself; null: not measured. */
  cosine: number | null;
  /** Mean KL of next tokens to the model itself, in nats. */
  kl: number;
}

/** What is known of a model. */
export interface LayerMap {
  version: 1;
  modelFingerprint: string;
  layerCount: number;
  search: LayerSearch;
  /** 32 hexadecimal digits that stand for the text. */
  textFingerprint: string;
  layers: readonly MappedLayer[];
}

/** The method, as texts name it. */
export const KVSHARER = "kvsharer";

/** What `--share` asks for. */
export interface ShareRequest {
  /** Layers that share; null: all of the file. */
  count: number | null;
  /** Path of the map; null: the one kept of the model. */
  path: string | null;
}

/**
 * Reads `kvsharer:N`, or `kvsharer:FILE`.
 *
 * @throws {RangeError} Naming what is wrong.
 */
export function parseShare(text: string): ShareRequest {
  const [name, ...rest] = text.split(":");
  const value = rest.join(":");
  if (name !== KVSHARER || value === "") {
    throw new RangeError(
      `Cannot use --share ${text}: wanted ${KVSHARER}:N, layers that share, or ${KVSHARER}:FILE`,
    );
  }
  if (!/^-?[\d.]+$/.test(value)) return { count: null, path: value };
  const count = Number(value);
  if (Number.isInteger(count) && count >= 1) return { count, path: null };
  throw new RangeError(`Cannot use --share ${text}: N must be a whole number from 1`);
}

/** Where the map of a model is kept that the user asked for; it need not exist. */
export function layerMapPath(modelFingerprint: string): string {
  return jsonPath(calibrationPath(modelFingerprint));
}

function jsonPath(path: string): string {
  return path.replace(/\.pkvc$/, ".share.json");
}

/**
 * The layers of a model that share.
 *
 * @throws {EngineError} `invalid_request` if there is no map, or it has too few layers;
 * `model_file_invalid` if it is damaged or another model's.
 */
export async function findSharedLayers(
  text: string,
  owner: { modelFingerprint: string; layerCount: number },
): Promise<MappedLayer[]> {
  const { count, path } = parseShare(text);
  const map = await findMap(path, owner.modelFingerprint);
  if (map === null) {
    const how = `packkv calibrate --share ${count ?? "N"}`;
    return refuse(
      path === null
        ? `Cannot use --share ${text}: no layers of this model are known; find them with ${how}`
        : `Cannot use --share ${text}: there is no such file; write it with ${how} --output FILE`,
    );
  }
  const { layers } = checkedMap(map.json, { ...owner, path: map.path });
  if (count !== null && count > layers.length) {
    return refuse(
      `Cannot use --share ${text}: ${map.path} has ${layers.length} layers; find more with ` +
        `packkv calibrate --share ${count}`,
    );
  }
  return layers.slice(0, count ?? layers.length);
}

async function findMap(
  asked: string | null,
  modelFingerprint: string,
): Promise<{ path: string; json: string } | null> {
  const paths = asked === null
    ? [layerMapPath(modelFingerprint), jsonPath(shippedPath(modelFingerprint))]
    : [asked];
  for (const path of paths) {
    try {
      return { path, json: await Deno.readTextFile(path) };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return null;
}

function checkedMap(
  json: string,
  { path, modelFingerprint, layerCount }: {
    path: string;
    modelFingerprint: string;
    layerCount: number;
  },
): LayerMap {
  const invalid = (what: string) =>
    new EngineError("model_file_invalid", `Cannot read the layers of ${path}: ${what}`);
  let map: LayerMap;
  try {
    map = JSON.parse(json);
  } catch {
    throw invalid("it is no JSON");
  }
  if (map?.version !== 1) throw invalid(`its version is ${map?.version}, wanted 1`);
  if (map.modelFingerprint !== modelFingerprint || map.layerCount !== layerCount) {
    throw invalid("it is another model's; write this one's with packkv calibrate --share N");
  }
  const isIndex = (value: unknown) =>
    Number.isInteger(value) && value as number >= 0 && value as number < layerCount;
  const isRight = Array.isArray(map.layers) &&
    map.layers.every((own) => isIndex(own?.layer) && isIndex(own?.source));
  if (!isRight) throw invalid(`wanted layers 0 to ${layerCount - 1}, each with its source`);
  return map;
}

/**
 * Writes a map, whole or not at all; returns its path.
 *
 * @throws {EngineError} `storage_failed` if that is not possible.
 */
export async function saveLayerMap(map: LayerMap, path: string): Promise<string> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    await writeAtomically(path, new TextEncoder().encode(`${JSON.stringify(map, null, 1)}\n`));
    return path;
  } catch (cause) {
    const message = `Cannot keep the layers at ${path}: ${(cause as Error).message}`;
    throw new EngineError("storage_failed", message, { cause });
  }
}

function refuse(message: string): never {
  throw new EngineError("invalid_request", message, { param: "share" });
}
