/** Servers on real sockets: over the scripted engine, and over an engine on a tiny model. */

import { createApp } from "../../server/app.ts";
import { loadServedModel } from "../../server/cli/load_model.ts";
import { startServer } from "../../server/serve.ts";
import { ServerState } from "../../server/state.ts";
import type { Engine, EngineOptions, GenerateRequest } from "../../src/engine/types.ts";
import { AnswerCheck } from "../support/answer_check.ts";
import type { FakeScript } from "../support/fake_engine.ts";
import { sharedByFile } from "../support/shared_by_file.ts";
import { withTinyModel } from "../support/tiny_engine.ts";
import type { TinyModelOptions } from "../support/tiny_model.ts";
import { harness, type HarnessOptions } from "./harness.ts";

/** Posts JSON; the answer is held against its schema. */
export type Post = (path: string, body: unknown) => Promise<Response>;

function poster(url: string): Post {
  const check = new AnswerCheck((path) => fetch(url + path));
  return (path, body) => check.fetch(url + path, { method: "POST", body: JSON.stringify(body) });
}

/** A server over the scripted engine. */
export async function withFakeServer(
  script: FakeScript,
  body: (context: ReturnType<typeof harness> & { url: string; post: Post }) => Promise<void>,
  options: HarnessOptions = {},
): Promise<void> {
  const context = harness(script, options);
  const { app, state } = context;
  const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
  try {
    await body({ ...context, url: server.url, post: poster(server.url) });
  } finally {
    await server.stop();
  }
}

/** A server over an engine on a tiny model, and what the engine is asked. */
export interface TinyServer {
  url: string;
  post: Post;
  engine: Engine;
  requests: GenerateRequest[];
}

/** Runs `body` with a server named `tiny`; its codec is the published one if left out. */
export async function withTinyServer(
  { model = {}, ...options }: Partial<EngineOptions> & { model?: Partial<TinyModelOptions> },
  body: (server: TinyServer) => Promise<void>,
): Promise<void> {
  await withTinyModel({ contextLength: 4096, ...model }, async (modelPath) => {
    const served = await loadServedModel(modelPath, { profile: { name: "paper" }, ...options });
    const requests: GenerateRequest[] = [];
    const { engine } = served;
    const generate = engine.generate.bind(engine);
    engine.generate = (request) => {
      requests.push(request);
      return generate(request);
    };
    const state = new ServerState();
    state.setReady(served);
    const app = createApp({ state, modelId: "tiny" });
    const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
    try {
      await body({ url: server.url, post: poster(server.url), engine, requests });
    } finally {
      await server.stop();
    }
  });
}

/**
 * A server for all tests of a file that leave it as they find it: opened before the first of them,
 * closed behind the last. A start compiles every kernel anew.
 *
 * @returns Gives the server, once tests run.
 */
export function sharedTinyServer(options: Parameters<typeof withTinyServer>[0]): () => TinyServer {
  return sharedByFile((body) => withTinyServer(options, body));
}
