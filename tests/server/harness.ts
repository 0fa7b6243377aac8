import { createApp } from "../../server/app.ts";
import type { AppOptions } from "../../server/app.ts";
import { type ServedModel, ServerState } from "../../server/state.ts";
import type { EngineInfo } from "../../src/engine/types.ts";
import { directPromptReader } from "../../src/tokenizer/prompt_reader.ts";
import { AnswerCheck } from "../support/answer_check.ts";
import { FakeEngine, fakeModel, type FakeScript } from "../support/fake_engine.ts";

/** Options of {@link harness}, all with defaults. */
export interface HarnessOptions {
  app?: Partial<AppOptions>;
  info?: Partial<EngineInfo>;
  requestLimitMs?: number;
  /** In the place of one that follows the script. */
  engine?: FakeEngine;
  /** In the place of the fake tokenizer and template. */
  model?: Partial<Pick<ServedModel, "tokenizer" | "chatTemplate" | "conversations">>;
}

/** A ready app named `fake` over an engine that follows `script`. */
export function harness(script: FakeScript, options: HarnessOptions = {}) {
  const engine = options.engine ?? new FakeEngine(script, options.info);
  const state = new ServerState(options);
  const served = { ...fakeModel(engine), ...options.model };
  const prompts = directPromptReader(served.tokenizer, served.chatTemplate);
  state.setReady({ ...served, prompts });
  const app = createApp({ state, modelId: "fake", ...options.app });
  return { app, engine, state, post: poster(app) };
}

/** Posts a value as JSON, or a string as it is; every answer is held against its schema. */
export function poster(app: ReturnType<typeof createApp>) {
  const check = new AnswerCheck((path, init) => app.request(path, init));
  return async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await app.request(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    return await check.watch("POST", path, response);
  };
}

/** Replaces what differs from run to run: ids, times, and timings. */
export function masked(text: string): string {
  return text
    .replace(/"id":"(chatcmpl|cmpl)-[0-9a-f]{32}"/g, '"id":"$1-X"')
    .replace(/"created":\d+/g, '"created":0')
    .replace(/"timings":\{[^}]*\}/g, '"timings":{}');
}

/** JSON values of the `data:` frames of a stream, without `[DONE]`. */
// deno-lint-ignore no-explicit-any
export function framesOf(text: string): any[] {
  return text.split("\n\n").filter((frame) => frame.startsWith("data: {"))
    .map((frame) => JSON.parse(frame.slice("data: ".length)));
}
