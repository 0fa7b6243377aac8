/**
 * The architectures there are. To add one: its file here, and its row below.
 *
 * @module
 */

import { quote } from "../../core/quote.ts";
import type { GgufMetadata } from "../../gguf/metadata.ts";
import type { GgufFile } from "../../gguf/read_gguf.ts";
import { checkPlan } from "../plan_check.ts";
import type { ModelPlan } from "../plan.ts";
import type { ArchitecturePlan } from "./layers.ts";
import { readClla } from "./clla.ts";
import { readDeepseek2 } from "./deepseek2.ts";
import { readGemma2 } from "./gemma2.ts";
import { readGemma3 } from "./gemma3.ts";
import { readGemma4 } from "./gemma4.ts";
import { readGptOss } from "./gpt_oss.ts";
import { readGranite } from "./granite.ts";
import { readLlama } from "./llama.ts";
import { readOlmo2 } from "./olmo2.ts";
import { readMistral3 } from "./mistral3.ts";
import { readPhi3 } from "./phi3.ts";
import { readQwen2 } from "./qwen2.ts";
import { readQwen3 } from "./qwen3.ts";
import { readQwen3moe } from "./qwen3moe.ts";
import { readSmollm3 } from "./smollm3.ts";
import { invalid, ModelReader, type TensorCatalogue, unsupported } from "./model_reader.ts";

/** What reads a header, by `general.architecture`. */
export const ARCHITECTURES: Readonly<Record<string, (reader: ModelReader) => ArchitecturePlan>> = {
  llama: readLlama,
  mistral3: readMistral3,
  qwen2: readQwen2,
  qwen3: readQwen3,
  qwen3moe: readQwen3moe,
  granite: readGranite,
  "gpt-oss": readGptOss,
  phi3: readPhi3,
  olmo2: readOlmo2,
  smollm3: readSmollm3,
  gemma2: readGemma2,
  gemma3: readGemma3,
  gemma4: readGemma4,
  deepseek2: readDeepseek2,
  clla: readClla,
};

/**
 * Architectures with layers that carry a state from token to token in the place of keys and values.
 */
const RECURRENT: readonly string[] = [
  ...["qwen35", "qwen35moe", "qwen3next", "lfm2", "lfm2moe", "mamba", "mamba2", "jamba"],
  ...["falcon-h1", "plamo2", "granitehybrid", "nemotron_h", "nemotron_h_moe", "kimi-linear"],
  ...["rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"],
];

/**
 * Reads what the model of a file computes, and checks that all of it can be run.
 *
 * @throws {EngineError} `model_unsupported`, naming what is, if this project cannot run the model;
 * `model_file_invalid` if a key or tensor is missing or has another shape than the keys say.
 */
export function readModelPlan(file: GgufFile): ModelPlan {
  const { metadata, tensors } = file;
  checkLayerCount(file);
  const { sizes, layers, layerInputs = null, ...rest } = readArchitecture(metadata, {
    shapeOf: (name) => tensors.get(name)?.shape ?? null,
    names: () => tensors.keys(),
  });
  const shape = { name: modelName(metadata), ...sizes, parameterCount: parameterCount(file) };
  const architecture = metadata.getString("general.architecture");
  const plan = {
    architecture,
    shape,
    ...rest,
    layerInputs,
    layers: layers.map((layer) => ({ input: null, factor: null, ...layer })),
  };
  checkPlan(plan);
  return plan;
}

/**
 * Reads a header by its architecture.
 *
 * @throws {EngineError} As {@link readModelPlan}, except for what its plan cannot do.
 */
export function readArchitecture(
  metadata: GgufMetadata,
  tensors: TensorCatalogue,
): ArchitecturePlan {
  const reader = new ModelReader(metadata, tensors);
  const read = Object.hasOwn(ARCHITECTURES, reader.architecture)
    ? ARCHITECTURES[reader.architecture]
    : null;
  if (read === null) {
    const known = Object.keys(ARCHITECTURES).join(", ");
    const reason = RECURRENT.includes(reader.architecture)
      ? ", which has recurrent layers: they are not supported yet"
      : "";
    throw unsupported(
      `its architecture is ${quote(reader.architecture)}${reason}; supported: ${known}`,
    );
  }
  const plan = read(reader);
  reader.refuseRest();
  return plan;
}

/** Each layer has tensors: a count beyond theirs is not gone through. */
function checkLayerCount({ metadata, tensors }: GgufFile): void {
  const key = `${metadata.getString("general.architecture")}.block_count`;
  const layerCount = metadata.getNumber(key, 0);
  if (layerCount <= tensors.size) return;
  throw invalid(`"${key}" is ${layerCount}, but there are only ${tensors.size} tensors`);
}

function modelName(metadata: GgufMetadata): string {
  const basename = metadata.getString("general.basename", null);
  const parts = [basename, metadata.getString("general.size_label", null)];
  return metadata.getString("general.name", null) ??
    (basename === null ? "unnamed" : parts.filter((part) => part !== null).join("-"));
}

function parameterCount({ tensors }: GgufFile): number {
  let total = 0;
  for (const { shape } of tensors.values()) {
    total += shape.reduce((product, size) => product * size, 1);
  }
  return total;
}
