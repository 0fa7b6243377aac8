/**
 * Measures the engine of one checkout, by the clock and by the time of the process; prints JSON.
 * Run by `compare.ts` with the configuration of that checkout, so it imports nothing of its own.
 *
 * @module
 */

import process from "node:process";
import type { Engine } from "../../mod.ts";

/** What is measured. */
export interface Counts {
  /** Prompt tokens of each prefill run. */
  prefills: readonly number[];
  /** Prompt tokens before each decode run. */
  depths: readonly number[];
  streamCount: number;
  /** Tokens decoded at a depth, and by each stream. */
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

/** Tokens of the runs that are not measured: blocks are sealed and read. */
const WARM_UP = { depth: 300, tokenCount: 4 };

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

/** When it began, and when each token was there. */
async function tokenMoments(engine: Engine, depth: number, count: number): Promise<Moment[]> {
  const moments = [now()];
  for await (const { type } of engine.generate(requestOf(engine, depth, count))) {
    if (type === "token") moments.push(now());
  }
  return moments;
}

async function singleStream(engine: Engine, counts: Counts): Promise<Cost[]> {
  const { prefills, depths, tokenCount } = counts;
  await tokenMoments(engine, WARM_UP.depth, WARM_UP.tokenCount);
  const costs: Cost[] = [];
  for (const count of prefills) {
    const [begun, first] = await tokenMoments(engine, count, 1);
    costs.push(costOf(`prefill of ${count}`, count, [begun, first]));
  }
  for (const depth of depths) {
    // The first token belongs to prefill.
    const [, first, ...others] = await tokenMoments(engine, depth, tokenCount + 1);
    costs.push(costOf(`decode at ${depth}`, others.length, [first, others[others.length - 1]]));
  }
  return costs;
}

/** Of the tokens of all streams, from when each has begun. */
async function manyStreams(engine: Engine, { streamCount, tokenCount }: Counts): Promise<Cost> {
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
  return costOf(`${streamCount} streams`, wantedCount, span);
}

async function measure(root: string, modelPath: string, counts: Counts): Promise<Cost[]> {
  const { createEngine } = await import(`${root}/mod.ts`) as typeof import("../../mod.ts");
  const withEngine = async <T>(sequenceCountMax: number, body: (engine: Engine) => Promise<T>) => {
    const engine = await createEngine({ modelPath, sequenceCountMax });
    try {
      return await body(engine);
    } finally {
      await engine.close();
    }
  };
  const single = await withEngine(1, (engine) => singleStream(engine, counts));
  const many = await withEngine(Math.max(2, counts.streamCount), async (engine) => {
    await manyStreams(engine, { ...counts, tokenCount: WARM_UP.tokenCount });
    return await manyStreams(engine, counts);
  });
  return [...single, many];
}

if (import.meta.main) {
  const [root, modelPath, counts] = Deno.args;
  console.log(JSON.stringify(await measure(root, modelPath, JSON.parse(counts))));
}
