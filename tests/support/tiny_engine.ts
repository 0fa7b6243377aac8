/** Engines on tiny models, closed after use, and what their generations give. */

import { measuredPath } from "../../src/calibration/store.ts";
import { createEngine } from "../../src/engine/client.ts";
import { modelFingerprint } from "../../src/runtime/fingerprint.ts";
import type {
  Engine,
  EngineOptions,
  EngineStats,
  GenerateEvent,
  GenerateRequest,
} from "../../src/engine/types.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { seededRandom } from "./numeric.ts";
import { sharedByFile } from "./shared_by_file.ts";
import { type TinyModelOptions, writeTinyModel } from "./tiny_model.ts";
import { eventually } from "./waiting.ts";

/** Runs `body` with a tiny model's path, and deletes the file and what loading measured of it. */
export async function withTinyModel(
  model: Partial<TinyModelOptions>,
  body: (path: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "packkv-tiny-" });
  try {
    const path = `${folder}/tiny.gguf`;
    await writeTinyModel(path, model);
    await body(path);
  } finally {
    const measured = measuredPath(modelFingerprint(await readGguf(`${folder}/tiny.gguf`)));
    await Deno.remove(measured).catch(() => {}); // most load no calibrated profile
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs `body` with an engine on a tiny model, and closes it. */
export async function withTinyEngine(
  options: Partial<EngineOptions> & { model?: Partial<TinyModelOptions> },
  body: (engine: Engine) => Promise<void>,
): Promise<void> {
  const { model = {}, ...rest } = options;
  await withTinyModel(model, async (modelPath) => {
    await withEngine({ modelPath, profile: { name: "paper" }, tune: "off", ...rest }, body);
  });
}

/**
 * An engine on a tiny model for all tests of a file that leave it as they find it: opened before
 * the first of them, closed behind the last. A start compiles every kernel anew.
 *
 * @returns Gives the engine, once tests run.
 */
export function sharedTinyEngine(options: Parameters<typeof withTinyEngine>[0]): () => Engine {
  return sharedByFile((body) => withTinyEngine(options, body));
}

/** Runs `body` with an engine, which it closes. */
export async function withEngine<T>(
  options: EngineOptions,
  body: (engine: Engine) => Promise<T>,
): Promise<T> {
  const engine = await createEngine(options);
  try {
    return await body(engine);
  } finally {
    await engine.close();
  }
}

/** All events of a generation. */
export async function collectEvents(
  engine: Engine,
  request: GenerateRequest,
): Promise<GenerateEvent[]> {
  const events: GenerateEvent[] = [];
  for await (const event of engine.generate(request)) events.push(event);
  return events;
}

/** A token of a generation, with log-probabilities if they were asked for. */
export type TokenEvent = Extract<GenerateEvent, { type: "token" }>;

/** The tokens of a generation, with how many of its prompt were in the cache. */
export async function collectTokens(
  engine: Engine,
  request: GenerateRequest,
): Promise<{ tokens: TokenEvent[]; cached: number }> {
  const events = await collectEvents(engine, request);
  const last = events.at(-1)!;
  return {
    tokens: events.filter((event) => event.type === "token"),
    cached: last.type === "finish" ? last.cachedTokenCount : NaN,
  };
}

/** The ids of the tokens of a generation. */
export async function collectIds(engine: Engine, request: GenerateRequest): Promise<number[]> {
  const { tokens } = await collectTokens(engine, request);
  return tokens.map(({ id }) => id);
}

/** Seeded ids of bytes of the tiny vocabulary: none is a control token. */
export function tinyPrompt(count: number, seed: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => 3 + Math.floor(random() * 256));
}

/** Polls until no sequence runs or waits and the cache is empty; the stats then. */
export async function idleStats(engine: Engine): Promise<EngineStats> {
  let stats = await engine.stats();
  await eventually(async () => {
    stats = await engine.stats();
    const liveCount = stats.runningSequenceCount + stats.waitingSequenceCount;
    return liveCount === 0 && stats.cacheUsage === 0;
  });
  return stats;
}
