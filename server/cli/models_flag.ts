/**
 * `--models`: the models of a folder, or those that a file in TOML lists.
 *
 * @module
 */

import { dirname, isAbsolute, join } from "node:path";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { modelFileName } from "../../src/gguf/split_files.ts";
import type { PoolLimits } from "../models/model_pool.ts";
import type { ModelOutline } from "../models/models.ts";
import type { ModelSource } from "../models/seat.ts";
import { Conversations } from "../replay/conversations.ts";
import { ensureModel } from "../setup/model_path.ts";
import { CHAT_TEMPLATE_FLAGS, readChatTemplate } from "./chat_template_flag.ts";
import { CONVERSATION_FLAGS, readConversationFlags } from "./conversation_flags.ts";
import { readConfig, readConfigFile, tableNames } from "./config_file.ts";
import { ENGINE_FLAGS, type EngineRequest, readEngineFlags } from "./engine_flags.ts";
import { type Flags, type FlagSpecs, parseFlags, type Setting, type Settings } from "./flags.ts";
import { loadServedModel, servedName } from "./load_model.ts";
import { UsageError } from "./usage_error.ts";

const TTL_SECONDS = { min: 0, max: 2e6, unit: "seconds" } as const;
/** A part of a model in several files, but the first. */
const LATER_PART = /-(?!00001)\d{5}-of-\d{5}\.gguf$/;

/** Flags that only serve several models. */
export const MODELS_FLAGS: FlagSpecs = {
  models: {
    value: "FOLDER|FILE",
    help: "several models, loaded as requests name them: *.gguf of a folder, or a file of TOML",
  },
  "models-max": {
    value: "N",
    help: "models loaded at a time (default: 1, with --models-memory any number)",
  },
  "models-memory": { value: "MIB", help: "device memory that loaded models take together" },
  "model-ttl": {
    value: "SECONDS",
    help: "unload a model without requests for so long, 0 for never (default: 0)",
  },
};

/** What a model's table in the file may set, beside the flags of engines. */
export const OWN_FLAGS: FlagSpecs = {
  ...ENGINE_FLAGS,
  ...CHAT_TEMPLATE_FLAGS,
  ...CONVERSATION_FLAGS,
  "model-ttl": MODELS_FLAGS["model-ttl"],
  aliases: { value: "NAMES", help: "other names of the model" },
};

/** Several models. */
export interface ModelsRequest {
  sources: ModelSource[];
  limits: PoolLimits;
}

/**
 * Reads the flags of several models.
 *
 * @returns Null if there is one model only.
 * @throws {UsageError} If a flag or the file is wrong, or there is no model.
 */
export async function readModelsFlags(flags: Flags): Promise<ModelsRequest | null> {
  const place = flags.text("models");
  const ofMany = Object.keys(MODELS_FLAGS).filter((name) => name !== "models");
  const ofOne = ["model", "model-name", "chat-template", "kv-events"];
  const wrong = (place === null ? ofMany : ofOne).find((name) => flags.has(name));
  if (wrong !== undefined) {
    const state = place === null ? "without --models" : "with --models, whose file may say it";
    throw new UsageError(`Cannot use ${flags.label(wrong)} ${state}`);
  }
  if (place === null) return null;
  const info = await Deno.stat(place).catch(() => null);
  if (info === null) throw new UsageError(`Cannot use --models ${place}: there is no such file`);
  const shared = settingsOf(flags);
  const sources = info.isDirectory
    ? await sourcesOfFolder(place, shared)
    : await sourcesOfFile(place, shared);
  if (sources.length > 0) return { sources, limits: readLimits(flags) };
  const wanted = info.isDirectory
    ? "it has no file *.gguf"
    : 'it has no table of a model, ["NAME"]';
  throw new UsageError(`Cannot use --models ${place}: ${wanted}`);
}

function readLimits(flags: Flags): PoolLimits {
  const countMax = flags.number("models-max", { min: 1, max: 1000, isInteger: true });
  const memoryMib = flags.number("models-memory", { min: 1, max: 2 ** 24, unit: "MiB" });
  return {
    countMax: countMax ?? (memoryMib === null ? 1 : null),
    memoryBytesMax: memoryMib === null ? null : memoryMib * 2 ** 20,
  };
}

/** What the command line sets for all models. */
function settingsOf(flags: Flags): Map<string, Setting> {
  const names = Object.keys(OWN_FLAGS).filter((name) => flags.has(name));
  return new Map(names.map((name) => {
    return [name, { value: flags.text(name) ?? true, label: flags.label(name) }];
  }));
}

async function sourcesOfFolder(folder: string, shared: Settings): Promise<ModelSource[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (!isDirectory && name.endsWith(".gguf") && !LATER_PART.test(name)) files.push(name);
  }
  const paths = files.sort().map((name) => join(folder, name));
  const shortNames = paths.map(servedName);
  return await Promise.all(paths.map((path, index) => {
    const isTaken =
      shortNames.indexOf(shortNames[index]) !== shortNames.lastIndexOf(shortNames[index]);
    const id = isTaken ? modelFileName(path) : shortNames[index];
    return toSource(id, new Map([...shared, ["model", { value: path, label: path }]]));
  }));
}

async function sourcesOfFile(path: string, shared: Settings): Promise<ModelSource[]> {
  const file = (await readConfigFile({ path, label: `--models ${path}` }, {}))!;
  const commands = tableNames(file).map((name) => ({ name, flags: OWN_FLAGS }));
  return await Promise.all(commands.map(async (command) => {
    const settings = new Map(shared);
    for (const [flag, setting] of readConfig(file, { command, commands })) {
      if (setting === null) settings.delete(flag);
      else settings.set(flag, setting);
    }
    const named = settings.get("model");
    if (named === undefined) {
      throw new UsageError(`Cannot use ${command.name} of ${path}: it does not say its model`);
    }
    const value = await besideFile(path, String(named.value));
    return await toSource(command.name, settings.set("model", { ...named, value }));
  }));
}

/** A path that is meant from the file's folder; anything else as it is. */
async function besideFile(file: string, model: string): Promise<string> {
  if (isAbsolute(model)) return model;
  const path = join(dirname(file), model);
  return (await Deno.stat(path).catch(() => null))?.isFile ? path : model;
}

async function toSource(id: string, settings: Settings): Promise<ModelSource> {
  const flags = parseFlags([], OWN_FLAGS, settings);
  const { model, options } = readEngineFlags(flags);
  const ttlSeconds = flags.number("model-ttl", TTL_SECONDS) ?? 0;
  const templateSource = await readChatTemplate(flags);
  const aliases = (flags.text("aliases") ?? "").split(",").map((each) => each.trim());
  // These outlive what is loaded.
  const conversations = new Conversations(readConversationFlags(flags, model ?? ""));
  let outline: ModelOutline | null = null;
  return {
    id,
    aliases: aliases.filter((each) => each !== ""),
    ttlMs: ttlSeconds === 0 ? null : 1000 * ttlSeconds,
    outline: async () => outline ??= await readOutline(model!, options),
    async load(onProgress) {
      const path = await ensureModel(model);
      const reading = { readsAside: true, templateSource, onProgress };
      return { ...await loadServedModel(path, options, reading), conversations };
    },
  };
}

/** What a model's file says, if it is there: nothing is fetched. */
async function readOutline(
  path: string,
  { contextLength }: EngineRequest["options"],
): Promise<ModelOutline | null> {
  if (!(await Deno.stat(path).catch(() => null))?.isFile) return null;
  const { metadata, sizeBytes } = await readGguf(path);
  const architecture = metadata.getString("general.architecture");
  const contextLengthTrained = metadata.getNumber(`${architecture}.context_length`);
  return { contextLength: contextLength ?? contextLengthTrained, contextLengthTrained, sizeBytes };
}
