/**
 * Loading all that answering needs: tokenizer, chat template, engine.
 *
 * @module
 */

import type { EngineInfo } from "../../mod.ts";
import { createEngineOf } from "../../src/engine/client.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { modelFileName } from "../../src/gguf/split_files.ts";
import { createChatTemplate } from "../../src/tokenizer/chat_template.ts";
import { directPromptReader, WorkerPromptReader } from "../../src/tokenizer/prompt_reader.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { ensureDawn } from "../setup/packages.ts";
import { formatMegabytes, ProgressLine } from "../setup/progress.ts";
import type { ServedModel } from "../state.ts";
import type { EngineRequest } from "./engine_flags.ts";

/**
 * Loads the model at `modelPath`; progress goes to stderr.
 *
 * @param onProgress Gets the progress too.
 * @param readsAside Whether long prompts are read by a thread of their own.
 * @param templateSource A chat template in place of the file's own.
 * @throws {EngineError} If the file, the adapter or the memory does not allow it.
 */
export async function loadServedModel(
  modelPath: string,
  options: EngineRequest["options"],
  { readsAside = false, templateSource = null, onProgress = () => {} }: {
    readsAside?: boolean;
    templateSource?: string | null;
    onProgress?: (message: string, fraction: number) => void;
  } = {},
): Promise<ServedModel> {
  const file = await readGguf(modelPath);
  const { metadata, tensors } = file;
  await otherWork();
  const tokenizer = createTokenizer(metadata, tensors);
  await otherWork();
  const chatTemplate = createChatTemplate(metadata, tokenizer, templateSource);
  const prompts = readsAside
    ? new WorkerPromptReader(modelPath, tokenizer, chatTemplate, templateSource)
    : directPromptReader(tokenizer, chatTemplate);
  const line = new ProgressLine();
  try {
    await ensureDawn(options.webgpu, line);
    const engine = await createEngineOf(file, {
      ...options,
      onProgress(message, fraction) {
        line.update(message, fraction);
        onProgress(message, fraction);
      },
    });
    return { engine, tokenizer, chatTemplate, prompts };
  } catch (error) {
    prompts.close();
    throw error;
  } finally {
    line.finish();
  }
}

/** Lets the thread do what waits for it: a large vocabulary takes a tenth of a second at a time. */
function otherWork(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * The name a model file is served under: its file name without `.gguf`, without the place of a part
 * (`-00001-of-00005`) and without the tensor type (`.Q4_1`, `-Q8_0`, `-f16`).
 */
export function servedName(modelPath: string): string {
  const stem = modelFileName(modelPath);
  return stem.replace(/[.-](I?Q\d\w*|B?F\d+|MXFP4\w*)$/i, "") || stem;
}

function wantedCache({ cacheWantedBytes }: EngineInfo): string {
  if (cacheWantedBytes === null) return "";
  return ` (of ${formatMegabytes(cacheWantedBytes)}: the device has no room for more)`;
}

/** What the memory holds of the context, where that is less, and what would hold it. */
function describeHeld({ contextLength, heldContext }: EngineInfo): string {
  const { tokenCount, wholeSizeBytes } = heldContext;
  if (tokenCount === contextLength) return "";
  const whole = wholeSizeBytes === null
    ? ""
    : ` (all with --kv-memory ${wholeSizeBytes / 2 ** 20})`;
  return `; memory holds ${tokenCount} of one sequence at least${whole}`;
}

/** How many layers keep no more than a window, and of how many tokens. */
function describeReaches({ layerReaches }: EngineInfo): string {
  const reaches = layerReaches.filter((reach) => reach !== null);
  if (reaches.length === 0) return "";
  const tokens = [...new Set(reaches)].join(" or ");
  return ` (${reaches.length} of ${layerReaches.length} layers keep ${tokens} tokens)`;
}

/** What is in force, a line each, for people. */
export function describeEngine(info: EngineInfo): string {
  const parameters = (info.parameterCount / 1e6).toFixed(0);
  const context = info.contextLength === info.contextLengthTrained
    ? `${info.contextLength} tokens`
    : `${info.contextLength} tokens (trained: ${info.contextLengthTrained})`;
  const memory = `${formatMegabytes(info.weightBytes)} weights, ` +
    `${formatMegabytes(info.windowBytes)} raw windows${describeReaches(info)}, ` +
    `up to ${formatMegabytes(info.cacheCapacityBytes)} packed KV${wantedCache(info)}, ` +
    `${info.sequenceCountMax} sequences at a time`;
  const serving = `up to ${info.waitingCountMax} waiting, steps of ${info.stepTokenCountMax} ` +
    `tokens beside decoding, prefixes ${info.sharesPrefixes ? "shared" : "not shared"}`;
  return [
    `model    ${info.modelPath} (${parameters} M parameters, ${
      formatMegabytes(info.modelSizeBytes)
    })`,
    `adapter  ${info.adapter}${info.adapterIsFallback ? " (software)" : ""}${
      info.webgpu === "dawn" ? ", opened by Dawn" : ""
    }`,
    ...describeMath(info),
    ...info.tuning.source === "tables" ? [] : [`kernels  ${describeTuning(info.tuning)}`],
    `profile  ${info.profile}`,
    `context  ${context}${describeHeld(info)}`,
    ...describeSharing(info),
    `memory   ${memory}`,
    `serving  ${serving}`,
    ...describeRead(info),
    ...describeTiers(info),
  ].join("\n");
}

function describeMath({ math: { mode, note } }: EngineInfo): string[] {
  if (mode === "f32") return [];
  return [`math     ${mode}: activations as codes of 8 bits${note === null ? "" : `; ${note}`}`];
}

function describeRead({ read, summaryBytes }: EngineInfo): string[] {
  if (read === null) return [];
  if (summaryBytes === 0) return [`reading  ${read}, values in host memory`];
  return [`reading  ${read}, ${formatMegabytes(summaryBytes)} summaries of blocks`];
}

function describeTuning({ source, note }: EngineInfo["tuning"]): string {
  return `${source === "kept" ? "tuned at an earlier start" : "tuned now"}: ${note}`;
}

function describeSharing({ sharedLayers, layerReaches, tokenBytes }: EngineInfo): string[] {
  if (sharedLayers.length === 0) return [];
  const pairs = sharedLayers.map(({ layer, source }) => `${layer} reads ${source}`);
  return [
    `layers   ${sharedLayers.length} of ${layerReaches.length} keep nothing, a token takes ` +
    `${tokenBytes} bytes as f16: ${pairs.join(", ")}`,
  ];
}

function describeTiers({ hostCapacityBytes, diskFolder, storeAddress }: EngineInfo): string[] {
  if (hostCapacityBytes === 0) return [];
  const disk = diskFolder === null ? "" : `, written to ${diskFolder}`;
  const store = storeAddress === null ? "" : `, shared by ${storeAddress}`;
  return [
    `tiers    up to ${
      formatMegabytes(hostCapacityBytes)
    } of shared blocks in host memory${disk}${store}`,
  ];
}
