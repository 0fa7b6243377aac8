/**
 * What guessing ahead gains: the same answers with and without, one after the other.
 *
 * @module
 */

import process from "node:process";
import type { Engine, GenerateRequest, GrammarSpec } from "../../mod.ts";

/** Answers of one prompt with and without guesses. */
export interface SpeculationRate {
  name: string;
  promptTokenCount: number;
  /** Median over the rounds, without guesses. */
  tokensPerSecond: number;
  /** Median over the rounds of what guesses multiply the rate by. */
  ratio: number;
  /**
   * The same of the processor's time that this process took: what others do at the same time hardly
   * changes it. It says something of software adapters alone.
   */
  processorRatio: number;
  /** Tokens guessed in one answer, and those of them that were right. */
  draftTokenCount: number;
  acceptedTokenCount: number;
}

/** A prompt by name. */
export interface SpeculationPrompt {
  name: string;
  promptIds: readonly number[];
  /** 0 is greedy. */
  temperature: number;
  /** What the answer must be; any text if left out. */
  grammar?: GrammarSpec;
}

/**
 * Measures answers; each round has a seed, and runs a prompt without guesses, then with them.
 *
 * @param tokenCount Tokens of an answer; one that follows a grammar may end before.
 * @throws {Error} if the two texts differ.
 */
export async function measureSpeculation(
  engine: Engine,
  prompts: readonly SpeculationPrompt[],
  { tokenCount, roundCount }: { tokenCount: number; roundCount: number },
): Promise<SpeculationRate[]> {
  const rates: SpeculationRate[] = [];
  for (const { name, promptIds, temperature, grammar } of prompts) {
    const plain: number[] = [];
    const ratios: number[] = [];
    const processorRatios: number[] = [];
    let [draftTokenCount, acceptedTokenCount] = [0, 0];
    for (let round = 0; round < roundCount; round++) {
      const sampling = { temperature, seed: round };
      // The first token belongs to prefill.
      const held = grammar ? { grammar } : {};
      const request = { promptIds, maxTokens: tokenCount + 1, ignoreEos: true, sampling, ...held };
      const without = await answer(engine, { ...request, speculates: false });
      const before = await engine.stats();
      const guessed = await answer(engine, { ...request, speculates: true });
      const after = await engine.stats();
      if (String(without.ids) !== String(guessed.ids)) {
        throw new Error(`The answer to ${name} changes with guesses`);
      }
      plain.push((without.ids.length - 1) * 1000 / without.decodeMs);
      ratios.push(without.decodeMs / guessed.decodeMs);
      processorRatios.push(without.processorMs / guessed.processorMs);
      draftTokenCount = after.draftTokenCount - before.draftTokenCount;
      acceptedTokenCount = after.acceptedTokenCount - before.acceptedTokenCount;
    }
    rates.push({
      name,
      promptTokenCount: promptIds.length,
      tokensPerSecond: median(plain),
      ratio: median(ratios),
      processorRatio: median(processorRatios),
      draftTokenCount,
      acceptedTokenCount,
    });
  }
  return rates;
}

async function answer(
  engine: Engine,
  request: GenerateRequest,
): Promise<{ ids: number[]; decodeMs: number; processorMs: number }> {
  const ids: number[] = [];
  let startMs = 0;
  for await (const event of engine.generate(request)) {
    if (event.type === "token" && ids.push(event.id) === 1) startMs = processorMs();
    if (event.type !== "finish") continue;
    return { ids, decodeMs: event.timings.decodeMs, processorMs: processorMs() - startMs };
  }
  throw new TypeError("Cannot measure: the generation ended without a finish event");
}

/** Of all threads of this process so far. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** The numbers as text. */
export function formatSpeculation(rates: readonly SpeculationRate[]): string {
  return rates.map((rate) => {
    const { name, promptTokenCount, tokensPerSecond, ratio, processorRatio } = rate;
    return `${name.padEnd(8)} ${String(promptTokenCount).padStart(6)} prompt tokens ` +
      `${tokensPerSecond.toFixed(1).padStart(8)} t/s  ${ratio.toFixed(2)} times with guesses ` +
      `(${processorRatio.toFixed(2)} by processor time), ` +
      `${rate.acceptedTokenCount} of ${rate.draftTokenCount} right`;
  }).join("\n");
}
