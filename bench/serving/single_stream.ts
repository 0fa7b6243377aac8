/**
 * Speed of one stream through the library: prefill rate of a prompt, decode rate at a depth.
 *
 * @module
 */

import type { Engine, GenerateEvent } from "../../mod.ts";

/** A rate in tokens per second, with what was counted. */
export interface Rate {
  tokenCount: number;
  tokensPerSecond: number;
}

type Finish = Extract<GenerateEvent, { type: "finish" }>;

/** A prompt of `count` ids that repeats nothing the cache could gain from. */
export function benchPrompt(count: number, vocabSize: number): number[] {
  return Array.from({ length: count }, (_, i) => 1000 + (i * 7919) % (vocabSize - 2000));
}

/** Prefill of `tokenCount` prompt tokens, from the first slice to the first sampled token. */
export async function measurePrefill(engine: Engine, tokenCount: number): Promise<Rate> {
  const { timings } = await generate(engine, tokenCount, 1);
  return { tokenCount, tokensPerSecond: tokenCount / (timings.prefillMs / 1000) };
}

/** Decode of `tokenCount` tokens after a prompt of `depth` tokens. */
export async function measureDecode(
  engine: Engine,
  depth: number,
  tokenCount: number,
): Promise<Rate> {
  // The first token belongs to prefill.
  const { timings } = await generate(engine, depth, tokenCount + 1);
  return { tokenCount, tokensPerSecond: tokenCount / (timings.decodeMs / 1000) };
}

async function generate(engine: Engine, depth: number, maxTokens: number): Promise<Finish> {
  const promptIds = benchPrompt(depth, engine.info.vocabSize);
  for await (const event of engine.generate({ promptIds, maxTokens, ignoreEos: true })) {
    if (event.type === "finish") return event;
  }
  throw new TypeError("Cannot measure: the generation ended without a finish event");
}
