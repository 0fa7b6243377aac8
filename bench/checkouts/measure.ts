/**
 * Measures the engine of one checkout, by the clock and by the time of the process. Run by
 * `checkout.ts` with the configuration of that checkout, so it imports nothing of its own: loads
 * the model, says so, then answers each line of stdin (a {@link Task}) with one of stdout (a
 * {@link Cost} each for what it measured).
 *
 * @module
 */

import process from "node:process";
import { createInterface } from "node:readline";
import type { Engine } from "../../mod.ts";

/** What is measured at once. */
export interface Task {
  kind: "prompt" | "streams";
  /** Prompt tokens of one sequence, or how many sequences there are. */
  count: number;
  /** Tokens decoded behind a prompt, or by each stream. */
  tokenCount: number;
}

/** Milliseconds of one token. */
export interface Cost {
  name: string;
  wallMs: number;
  /** Of all threads of the process, the software driver's among them. */
  processorMs: number;
}

interface Moment {
  wallMs: number;
  processorMs: number;
}

/** Prompt tokens of each of many streams. */
const STREAM_PROMPT_COUNT = 20;

function now(): Moment {
  const { user, system } = process.cpuUsage();
  return { wallMs: performance.now(), processorMs: (user + system) / 1000 };
}

function costOf(name: string, count: number, [from, to]: [Moment, Moment]): Cost {
  return {
    name,
    wallMs: (to.wallMs - from.wallMs) / count,
    processorMs: (to.processorMs - from.processorMs) / count,
  };
}

function requestOf(engine: Engine, promptCount: number, maxTokens: number, first = 1000) {
  const { vocabSize } = engine.info;
  const promptIds = Array.from({ length: promptCount }, (_, i) => (first + i * 7919) % vocabSize);
  // None may find what the one before it left in the cache, nor gain from guesses.
  return { promptIds, maxTokens, ignoreEos: true, skipsCache: true, speculates: false };
}

/** Prefill of a prompt, and decode behind it. */
async function promptCosts(engine: Engine, { count, tokenCount }: Task): Promise<Cost[]> {
  const moments = [now()];
  // The first token belongs to prefill.
  for await (const { type } of engine.generate(requestOf(engine, count, tokenCount + 1))) {
    if (type === "token") moments.push(now());
  }
  const [begun, first] = moments;
  return [
    costOf(`prefill of ${count}`, count, [begun, first]),
    costOf(`decode at ${count}`, moments.length - 2, [first, moments[moments.length - 1]]),
  ];
}

/** Of the tokens of all streams, from when each has begun. */
async function streamCosts(engine: Engine, { count: streamCount, tokenCount }: Task) {
  const stop = new AbortController();
  const wantedCount = streamCount * tokenCount;
  let [begunCount, count] = [0, 0];
  let span: [Moment, Moment] | null = null;
  await Promise.allSettled(Array.from({ length: streamCount }, async (_, index) => {
    const maxTokens = engine.info.contextLength - STREAM_PROMPT_COUNT;
    const request = requestOf(engine, STREAM_PROMPT_COUNT, maxTokens, 1000 + index * 131);
    let isFirst = true;
    for await (const { type } of engine.generate({ ...request, signal: stop.signal })) {
      if (type !== "token") continue;
      if (isFirst && ++begunCount === streamCount) span = [now(), now()];
      else if (span !== null && ++count === wantedCount) {
        span[1] = now();
        stop.abort();
      }
      isFirst = false;
    }
  }));
  if (span === null || count < wantedCount) {
    throw new TypeError(`Cannot measure ${streamCount} streams: they ended early`);
  }
  return [costOf(`${streamCount} streams`, wantedCount, span)];
}

if (import.meta.main) {
  const [root, modelPath, sequenceCountMax] = Deno.args;
  const { createEngine } = await import(`${root}/mod.ts`) as typeof import("../../mod.ts");
  const options = { modelPath, sequenceCountMax: Number(sequenceCountMax) };
  const engine = await createEngine(options);
  console.log(JSON.stringify([]));
  for await (const line of createInterface({ input: process.stdin })) {
    const task = JSON.parse(line) as Task;
    const costs = task.kind === "prompt" ? promptCosts(engine, task) : streamCosts(engine, task);
    console.log(JSON.stringify(await costs));
  }
  await engine.close();
}
