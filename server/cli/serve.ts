/**
 * `packkv serve`: the HTTP server.
 *
 * @module
 */

import { type AppModels, createApp } from "../app.ts";
import { checkBind } from "../auth.ts";
import { exitOnSignals, type RunningServer, startServer } from "../serve.ts";
import { ensureModel } from "../setup/model_path.ts";
import { SetupError } from "../setup/setup_error.ts";
import { LOG_FORMATS, type LogFormat } from "../request_log.ts";
import { ModelPool } from "../models/model_pool.ts";
import { ServerState } from "../state.ts";
import { CHAT_TEMPLATE_FLAGS, readChatTemplate } from "./chat_template_flag.ts";
import type { Command } from "./command.ts";
import { CONVERSATION_FLAGS, readConversationFlags } from "./conversation_flags.ts";
import { type ConversationOptions, Conversations } from "../replay/conversations.ts";
import { BlockEventPublisher } from "../kv_events/publisher.ts";
import { ENGINE_FLAGS, type EngineRequest, readEngineFlags } from "./engine_flags.ts";
import { type Flags, parseFlags, type Settings } from "./flags.ts";
import {
  defaultTopic,
  KV_EVENTS_FLAGS,
  type KvEventsRequest,
  readKvEventsFlags,
} from "./kv_events_flags.ts";
import { describeEngine, loadServedModel, servedName } from "./load_model.ts";
import { MODELS_FLAGS, type ModelsRequest, readModelsFlags } from "./models_flag.ts";
import { CONFIG_FLAGS } from "./settings.ts";
import { UsageError } from "./usage_error.ts";

const SECONDS = { max: 2e6, unit: "seconds" } as const;

/** The command. */
export const serveCommand: Command = {
  name: "serve",
  summary: "serve a model to OpenAI clients over HTTP",
  usage: "[flags]",
  flags: {
    host: { value: "HOST", help: "address to listen on (default: 127.0.0.1)" },
    port: { value: "PORT", help: "port to listen on, 0 for any free one (default: 8000)" },
    ...ENGINE_FLAGS,
    ...MODELS_FLAGS,
    ...CHAT_TEMPLATE_FLAGS,
    ...CONVERSATION_FLAGS,
    ...KV_EVENTS_FLAGS,
    "model-name": {
      value: "NAMES",
      help:
        "name to serve the model under, others it answers to behind commas (default: its file's)",
    },
    "api-key": { value: "KEY", help: "key that clients must send as bearer token" },
    "api-key-file": { value: "FILE", help: "file of such keys, one a line" },
    insecure: { help: "allow other machines to connect without a key" },
    "slot-save-path": { value: "DIR", help: "folder for POST /slots/N?action=save and restore" },
    "request-timeout": {
      value: "SECONDS",
      help: "longest that a request may take, waiting included (default: 3600)",
    },
    "keep-alive": {
      value: "SECONDS",
      help: "how long a connection without a request is kept (default: 75)",
    },
    "drain-timeout": {
      value: "SECONDS",
      help: "how long requests may go on after SIGTERM (default: 30)",
    },
    log: {
      value: "FORMAT",
      choices: LOG_FORMATS,
      help: "a line on stderr for each request (default: text)",
    },
    "allowed-hosts": {
      value: "NAMES",
      help: 'names to answer for without a key, with commas, or "*" (default: --host, localhost)',
    },
    cors: { value: "ORIGINS", help: 'origins that browsers may call from, with commas, or "*"' },
    ...CONFIG_FLAGS,
  },
  examples: [
    "packkv serve",
    "packkv serve --port 9000 --profile exact",
    "packkv serve --model ./model.gguf --ctx 4096 --k-step 1.6 --v-step 1.9",
    "packkv serve --models ./models --model-ttl 600",
    "packkv serve --host 0.0.0.0 --api-key-file keys.txt",
  ],
  notes: [
    "Prints one line `listening on http://HOST:PORT` when it is ready. Until then requests are",
    "answered with 503. Ctrl-C ends it at once, SIGTERM when the requests that run have ended.",
  ],
  needsGpu: true,
  isConfigurable: true,
  run: serve,
};

interface ServeRequest {
  hostname: string;
  port: number;
  apiKeys: string[];
  modelNames: string[];
  hostNames: string[];
  corsOrigins: string[];
  slotFolder: string | null;
  insecure: boolean;
  log: LogFormat;
  requestLimitMs: number;
  drainLimitMs: number;
  keepAliveMs: number;
  engine: EngineRequest;
  /** Null for one model. */
  models: ModelsRequest | null;
  templateSource: string | null;
  conversations: ConversationOptions;
  /** Null: none are published. */
  kvEvents: KvEventsRequest | null;
}

async function serve(args: readonly string[], inherited: Settings): Promise<number> {
  const request = await readServeFlags(parseFlags(args, serveCommand.flags, inherited));
  const state = new ServerState(request);
  const { models, start, release } = request.models === null
    ? await oneModel(request, state)
    : manyModels(request.models, state);
  const { apiKeys, hostNames, corsOrigins, slotFolder, log } = request;
  const app = createApp({ ...models, state, apiKeys, hostNames, corsOrigins, slotFolder, log });
  const { hostname, port, insecure, keepAliveMs } = request;
  const server = await listen({
    app,
    state,
    hostname,
    port,
    keyCount: apiKeys.length,
    insecure,
    keepAliveMs,
    release,
  });
  exitOnSignals(server, state.drainLimitMs);
  try {
    console.log(await start());
    console.log(`listening on ${server.url}`);
  } catch (error) {
    if (state.phase.name !== "stopping") await server.stop();
    throw error;
  }
  const failure = await Promise.race([server.failed, server.finished]);
  if (failure) {
    await server.stop();
    throw new SetupError(failure.message, { cause: failure });
  }
  // Only a signal stops the server, and its handler ends the process.
  return await new Promise<number>(() => {});
}

/** What a server serves. */
interface Served {
  models: AppModels;
  /** Resolves when requests can be answered, with what is in force. */
  start(): Promise<string>;
  release(): Promise<void>;
}

/** A model that is loaded from the start to the end. */
async function oneModel(
  { engine, modelNames, templateSource, conversations, kvEvents, port }: ServeRequest,
  state: ServerState,
): Promise<Served> {
  const modelPath = await ensureModel(engine.model);
  const [modelId = servedName(modelPath), ...aliases] = modelNames;
  const publisher = kvEvents && BlockEventPublisher.open({
    ...kvEvents,
    topic: kvEvents.topic ?? defaultTopic(kvEvents.form, { port, modelId }),
  });
  const options = { ...engine.options, ...publisher?.engineOptions };
  const loading = loadServedModel(modelPath, options, { readsAside: true, templateSource });
  loading.catch(() => {}); // awaited below, once the server listens
  return {
    models: { modelId, aliases },
    async start() {
      const model = await loading;
      state.setReady({ ...model, conversations: new Conversations(conversations) });
      model.engine.failed.then(({ code, message }) => {
        console.error(
          `packkv: engine failed (${code}): ${message}; requests are answered with 503`,
        );
      });
      return describeEngine(model.engine.info);
    },
    async release() {
      const model = await loading.catch(() => null);
      model?.prompts.close();
      await model?.engine.close();
      publisher?.close();
    },
  };
}

/** Models that are loaded as they are asked for. */
function manyModels({ sources, limits }: ModelsRequest, state: ServerState): Served {
  const pool = toPool(sources, limits);
  return {
    models: { models: pool },
    // deno-lint-ignore require-await
    async start() {
      state.setOpen();
      return `models   ${pool.ids.join(", ")}; loaded as they are asked for`;
    },
    release: () => pool.close(),
  };
}

function toPool(sources: ModelsRequest["sources"], limits: ModelsRequest["limits"]): ModelPool {
  try {
    return new ModelPool(sources, limits);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function listen(options: Parameters<typeof startServer>[0]): Promise<RunningServer> {
  try {
    return await startServer(options);
  } catch (error) {
    throw new SetupError((error as Error).message, { cause: error });
  }
}

async function readServeFlags(flags: Flags): Promise<ServeRequest> {
  flags.refusePositionals();
  const hostname = flags.text("host") ?? "127.0.0.1";
  const apiKeys = await readKeys(flags);
  const insecure = flags.has("insecure");
  try {
    checkBind(hostname, { keyCount: apiKeys.length, insecure });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  return {
    hostname,
    port: flags.number("port", { min: 0, max: 65_535, isInteger: true }) ?? 8000,
    apiKeys,
    slotFolder: await readFolder(flags, "slot-save-path"),
    modelNames: readList(flags, "model-name"),
    hostNames: [hostname, ...readList(flags, "allowed-hosts")],
    corsOrigins: readList(flags, "cors"),
    insecure,
    log: (flags.text("log") ?? "text") as LogFormat,
    requestLimitMs: 1000 * (flags.number("request-timeout", { min: 0.1, ...SECONDS }) ?? 3600),
    keepAliveMs: 1000 * (flags.number("keep-alive", { min: 1, ...SECONDS }) ?? 75),
    drainLimitMs: 1000 * (flags.number("drain-timeout", { min: 0, ...SECONDS }) ?? 30),
    engine: readEngineFlags(flags),
    models: await readModelsFlags(flags),
    templateSource: await readChatTemplate(flags),
    conversations: readConversationFlags(flags, flags.text("model") ?? ""),
    kvEvents: readKvEventsFlags(flags),
  };
}

/** Values of a flag, separated by commas. */
function readList(flags: Flags, name: string): string[] {
  const values = (flags.text(name) ?? "").split(",").map((value) => value.trim());
  return values.filter((value) => value !== "");
}

async function readFolder(flags: Flags, name: string): Promise<string | null> {
  const folder = flags.text(name);
  if (folder === null) return null;
  const info = await Deno.stat(folder).catch(() => null);
  if (info?.isDirectory) return folder;
  throw new UsageError(`Cannot use --${name} ${folder}: must be a folder that exists`);
}

async function readKeys(flags: Flags): Promise<string[]> {
  const key = flags.text("api-key");
  const path = flags.text("api-key-file");
  const keys = key === null ? [] : [key];
  if (path === null) return keys;
  const text = await Deno.readTextFile(path).catch((error) => {
    throw new UsageError(`Cannot read --api-key-file ${path}: ${error.message}`);
  });
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  if (lines.length === 0) throw new UsageError(`Cannot use --api-key-file ${path}: it is empty`);
  return [...keys, ...lines];
}
