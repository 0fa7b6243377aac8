/**
 * What a run will ask for: the lengths, prompts and arrival times of its requests, drawn from a
 * seed before the first one is sent.
 *
 * @module
 */

import { makeRandom, type Random, randomGap, randomInteger } from "./random.ts";

/** Bounds in tokens, inclusive. */
export interface LengthRange {
  min: number;
  max: number;
}

/** When requests are sent: so many at a time, or at random times of a mean rate. */
export type LoadShape =
  | { type: "concurrency"; concurrency: number }
  | { type: "rate"; requestsPerSecond: number };

/** The workload. */
export interface Workload {
  requestCount: number;
  shape: LoadShape;
  promptTokens: LengthRange;
  outputTokens: LengthRange;
  /** Share of each prompt that is the same in all, 0 to 1. */
  prefixShare: number;
  seed: number;
}

/** One request to be sent. */
export interface PlannedRequest {
  /** Milliseconds after the run's start; 0 for all where concurrency decides. */
  arrivalMs: number;
  /**
   * Draws the prompt, the same each time: numbers in [0, 1), one for each token, of which a prompt
   * writer makes ids or words.
   */
  drawPrompt(): number[];
  outputTokenCount: number;
}

/** Plans all requests. The same workload gives the same plan; prompts are drawn when sent. */
export function planRequests(workload: Workload): PlannedRequest[] {
  const { requestCount, shape, promptTokens, outputTokens, prefixShare, seed } = workload;
  // Each from a source of its own, so that changing one leaves the others as they are.
  const [prefixRandom, lengthRandom, arrivalRandom, textRandom] = splitRandom(seed, 4);
  const prefix = numbers(prefixRandom, Math.floor(prefixShare * promptTokens.max));
  const meanGapMs = shape.type === "rate" ? 1000 / shape.requestsPerSecond : 0;
  let arrivalMs = 0;
  return Array.from({ length: requestCount }, (_, index) => {
    if (index > 0) arrivalMs += randomGap(arrivalRandom, meanGapMs);
    const promptTokenCount = randomInteger(lengthRandom, promptTokens);
    const outputTokenCount = randomInteger(lengthRandom, outputTokens);
    const sharedCount = Math.floor(prefixShare * promptTokenCount);
    const textSeed = drawSeed(textRandom);
    const drawPrompt = () => {
      const own = numbers(makeRandom(textSeed), promptTokenCount - sharedCount);
      return [...prefix.slice(0, sharedCount), ...own];
    };
    return { arrivalMs, drawPrompt, outputTokenCount };
  });
}

function splitRandom(seed: number, count: number): Random[] {
  const root = makeRandom(seed);
  return Array.from({ length: count }, () => makeRandom(drawSeed(root)));
}

function drawSeed(random: Random): number {
  return Math.floor(random() * 2 ** 32);
}

function numbers(random: Random, count: number): number[] {
  return Array.from({ length: count }, random);
}
