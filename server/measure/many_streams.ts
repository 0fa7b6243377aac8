/**
 * Many streams through the library: the rate of all together by their number, and how long a
 * running stream waits for its next token while a long prompt arrives.
 *
 * @module
 */

import type { Engine } from "../../mod.ts";

/** Prompt tokens of each stream. */
const PROMPT_TOKEN_COUNT = 20;
/** Tokens of a stream before its usual gap is known. */
const USUAL_TOKEN_COUNT = 40;

/** Tokens per second of all streams together. */
export interface StreamsRate {
  streamCount: number;
  tokensPerSecond: number;
  /** Times the rate of the first number of streams. */
  ratio: number;
}

/** Milliseconds between two tokens of a running stream. */
export interface ArrivalGaps {
  promptTokenCount: number;
  usualMs: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  /** `maxMs / usualMs`. */
  ratio: number;
  /** From the prompt's arrival to its first token. */
  prefillMs: number;
}

/**
 * Measures the rate at which `streamCounts` streams decode, each number once.
 *
 * @param tokenCount Tokens of each stream that count: from when all of them decode.
 */
export async function measureStreams(
  engine: Engine,
  streamCounts: readonly number[],
  tokenCount: number,
): Promise<StreamsRate[]> {
  const rates: StreamsRate[] = [];
  for (const streamCount of streamCounts) {
    const tokensPerSecond = await rateOf(engine, streamCount, tokenCount);
    const ratio = tokensPerSecond / (rates[0]?.tokensPerSecond ?? tokensPerSecond);
    rates.push({ streamCount, tokensPerSecond, ratio });
  }
  return rates;
}

async function rateOf(engine: Engine, streamCount: number, tokenCount: number): Promise<number> {
  const wantedCount = streamCount * tokenCount;
  const stop = new AbortController();
  let [begunCount, countedCount, startMs, endMs] = [0, 0, 0, 0];
  const run = async (index: number) => {
    let isFirst = true;
    for await (const { type } of stream(engine, index, { signal: stop.signal })) {
      if (type !== "token") continue;
      if (isFirst) begunCount++;
      isFirst = false;
      if (begunCount < streamCount) continue;
      if (startMs === 0) startMs = performance.now();
      else if (++countedCount === wantedCount) {
        endMs = performance.now();
        stop.abort();
      }
    }
  };
  await Promise.allSettled(Array.from({ length: streamCount }, (_, index) => run(index)));
  return countedCount >= wantedCount ? wantedCount * 1000 / (endMs - startMs) : 0;
}

/** Measures the gaps of one stream while a prompt arrives beside it. */
export async function measureArrival(
  engine: Engine,
  promptTokenCount: number,
): Promise<ArrivalGaps> {
  const stop = new AbortController();
  const times: number[] = [];
  const settled = Promise.withResolvers<void>();
  const running = (async () => {
    for await (const { type } of stream(engine, 0, { signal: stop.signal })) {
      if (type !== "token") continue;
      if (times.push(performance.now()) === USUAL_TOKEN_COUNT) settled.resolve();
    }
  })();
  await settled.promise;
  const usual = gapsOf(times);
  const startMs = performance.now();
  for await (const { type } of stream(engine, 1, { promptTokenCount, maxTokens: 1 })) {
    if (type === "token") break;
  }
  const endMs = performance.now();
  stop.abort();
  await running.catch(() => {}); // it was aborted
  const first = times.findIndex((time) => time >= startMs) - 1;
  const gaps = gapsOf(times.slice(first).filter((time) => time <= endMs));
  const at = (sorted: number[], share: number) => sorted[Math.floor((sorted.length - 1) * share)];
  const [usualMs, maxMs] = [at(usual, 0.5), at(gaps, 1)];
  return {
    promptTokenCount,
    usualMs,
    p50Ms: at(gaps, 0.5),
    p99Ms: at(gaps, 0.99),
    maxMs,
    ratio: maxMs / usualMs,
    prefillMs: endMs - startMs,
  };
}

/** Ascending. */
function gapsOf(times: readonly number[]): number[] {
  return times.slice(1).map((time, index) => time - times[index]).sort((a, b) => a - b);
}

function stream(
  engine: Engine,
  index: number,
  options: { signal?: AbortSignal; promptTokenCount?: number; maxTokens?: number },
) {
  const { promptTokenCount: length = PROMPT_TOKEN_COUNT, signal } = options;
  const { vocabSize, contextLength } = engine.info;
  const promptIds = Array.from({ length }, (_, i) => (100 + index * 131 + i * 7) % vocabSize);
  const maxTokens = options.maxTokens ?? contextLength - length;
  const request = { promptIds, maxTokens, ignoreEos: true, skipsCache: true, speculates: false };
  return engine.generate(signal ? { ...request, signal } : request);
}

/** The numbers as text. */
export function formatStreams(rates: readonly StreamsRate[], gaps: ArrivalGaps | null): string {
  const lines = rates.map(({ streamCount, tokensPerSecond, ratio }) =>
    `${String(streamCount).padStart(3)} streams ${tokensPerSecond.toFixed(1).padStart(8)} t/s ` +
    `${ratio.toFixed(2).padStart(6)}`
  );
  if (gaps === null) return lines.join("\n");
  const ms = (value: number) => value.toFixed(0);
  const { promptTokenCount, usualMs, p50Ms, p99Ms, maxMs, ratio, prefillMs } = gaps;
  return [
    ...lines,
    `a prompt of ${promptTokenCount} tokens arrives (read in ${(prefillMs / 1000).toFixed(1)} s):`,
    `  ms between tokens: usual ${ms(usualMs)}, then p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, ` +
    `worst ${ms(maxMs)} (${ratio.toFixed(2)} times the usual)`,
  ].join("\n");
}
