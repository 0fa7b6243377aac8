/**
 * The whole server on a real engine, for sessions of agents: the model runs and samples each token,
 * while a grammar leaves it no choice but how to cut a given answer into tokens.
 *
 * @module
 */

import { createApp } from "../../server/app.ts";
import { loadServedModel } from "../../server/cli/load_model.ts";
import { Conversations } from "../../server/replay/conversations.ts";
import { TurnFile, turnFilePath } from "../../server/replay/turn_file.ts";
import { ServerState } from "../../server/state.ts";
import type {
  Engine,
  EngineOptions,
  GenerateEvent,
  GenerateRequest,
  GrammarSpec,
} from "../../src/engine/types.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { defaultModelPath } from "./default_model.ts";
import { sharedFile } from "./shared.ts";
import { writeTinyModel } from "./tiny_model.ts";
import { eventually } from "./waiting.ts";
import type { GgufValue } from "./write_gguf.ts";

/** What became of one generation. */
export interface AgentOutcome {
  promptTokenCount: number;
  cachedTokenCount: number;
  answerTokenCount: number;
  /** From its arrival to its first token. */
  firstTokenMs: number;
}

/** A server that runs. */
export interface AgentServer {
  engine: Engine;
  /** What the next requests are answered with. */
  answer: string;
  /** In the order of their ends. */
  outcomes: AgentOutcome[];
  post(path: string, body: unknown): Promise<Response>;
  /** Waits until nothing runs, answers that are read again included. */
  idle(): Promise<void>;
  /** Hands all of the cache to the tiers. */
  close(): Promise<void>;
}

/** Path of a template with tools and thoughts, of which those of earlier turns are dropped. */
export function agentTemplatePath(): string | null {
  return sharedFile("golden/templates/Qwen-Qwen3-0.6B.jinja");
}

/** Writes a seeded model of one small layer that has the default model's vocabulary. */
export async function writeAgentModel(path: string, contextLength: number): Promise<void> {
  const { metadata } = await readGguf(defaultModelPath());
  const values = Object.entries(metadata.valuesWithout("general."));
  const vocabulary = values.filter(([key]) => key.startsWith("tokenizer."));
  const { length: vocabSize } = metadata.getStrings("tokenizer.ggml.tokens");
  await writeTinyModel(path, {
    layerCount: 1,
    contextLength,
    vocabSize,
    type: "Q8_0",
    metadata: Object.fromEntries(vocabulary) as Record<string, GgufValue>,
  });
}

/** A grammar of one text; its last number stands for the value that a part must have. */
function nothingBut(text: string): GrammarSpec {
  const [, begin, value, end] = /^([^]*?)(\d+)(\D*)$/.exec(text)!;
  const tag = { begin, schema: JSON.stringify({ const: Number(value) }), end };
  return { type: "tags", tags: [tag], trigger: null, separator: "", isRepeated: false };
}

/** Starts one on the model at a path. With `diskFolder` it goes on where another one ended. */
export async function startAgentServer(
  modelPath: string,
  { templateSource, ...options }:
    & Omit<EngineOptions, "modelPath" | "onProgress">
    & { templateSource: string },
): Promise<AgentServer> {
  const { diskFolder } = options;
  const model = await loadServedModel(modelPath, { tune: "off", ...options }, { templateSource });
  const { engine, prompts } = model;
  const generate = engine.generate.bind(engine);
  engine.generate = (request) => {
    return watch(generate, { ...request, grammar: nothingBut(server.answer) }, server.outcomes);
  };
  const store = diskFolder ? new TurnFile(turnFilePath(diskFolder, "agents")) : null;
  const state = new ServerState();
  state.setReady({ ...model, conversations: new Conversations({ store }) });
  const app = createApp({ state, modelId: "fake" });
  const server: AgentServer = {
    engine,
    answer: "",
    outcomes: [],
    post: async (path, body) =>
      await app.request(path, { method: "POST", body: JSON.stringify(body) }),
    idle: () => idle(engine),
    async close() {
      prompts.close();
      await engine.close(60_000);
    },
  };
  return server;
}

async function* watch(
  generate: Engine["generate"],
  request: GenerateRequest,
  outcomes: AgentOutcome[],
): AsyncGenerator<GenerateEvent> {
  const startMs = performance.now();
  let firstTokenMs = NaN;
  for await (const event of generate(request)) {
    if (event.type === "token" && isNaN(firstTokenMs)) firstTokenMs = performance.now() - startMs;
    if (event.type === "finish") {
      const { promptTokenCount, cachedTokenCount, completionTokenCount: answerTokenCount } = event;
      outcomes.push({ promptTokenCount, cachedTokenCount, answerTokenCount, firstTokenMs });
    }
    yield event;
  }
}

async function idle(engine: Engine): Promise<void> {
  let lastStepCount = -1;
  await eventually(async () => {
    const slots = await engine.slots();
    const { stepCount, waitingSequenceCount } = await engine.stats();
    const isIdle = stepCount === lastStepCount && waitingSequenceCount === 0 &&
      slots.every(({ phase }) => phase === "idle");
    lastStepCount = stepCount;
    return isIdle;
  });
}
