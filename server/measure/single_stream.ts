/**
 * Speed of one stream through the library: prefill rate of a prompt, decode rate at depths.
 *
 * @module
 */

import type { Engine, GenerateEvent } from "../../mod.ts";
import { median } from "./median.ts";

/** What to measure. */
export interface StreamCounts {
  /** Prompt tokens of the prefill run. */
  prefillCount: number;
  /** Prompt tokens before each decode run. */
  depths: readonly number[];
  /** Tokens decoded in each. */
  decodeCount: number;
}

/** Tokens per second of one engine. */
export interface StreamReport {
  name: string;
  device: string;
  prefill: { depth: number; tokensPerSecond: number };
  decode: { depth: number; tokensPerSecond: number }[];
}

type Finish = Extract<GenerateEvent, { type: "finish" }>;

/** Measures one engine, which should be idle. */
export async function measureStream(
  engine: Engine,
  options: StreamCounts & { onProgress?: (message: string, fraction?: number) => void },
): Promise<StreamReport> {
  const { prefillCount, depths, decodeCount, onProgress } = options;
  const { profile, adapter: device, math, webgpu } = engine.info;
  const name = [
    profile,
    ...(math.mode === "f32" ? [] : [`products in ${math.mode}`]),
    ...(webgpu === "dawn" ? ["by Dawn"] : []),
  ].join(", ");
  // The first run of each kernel compiles it in the driver.
  await generate(engine, 300, 4);
  onProgress?.(`${name}: prefill of ${prefillCount} tokens`);
  const { timings } = await generate(engine, prefillCount, 1);
  const prefill = { depth: prefillCount, tokensPerSecond: prefillCount * 1000 / timings.prefillMs };
  const decode = [];
  for (const depth of depths) {
    onProgress?.(`${name}: decode at depth ${depth}`);
    // The first token belongs to prefill.
    const { timings } = await generate(engine, depth, decodeCount + 1);
    decode.push({ depth, tokensPerSecond: decodeCount * 1000 / timings.decodeMs });
  }
  return { name, device, prefill, decode };
}

/** The rates of several rounds, of each engine its medians; engines have the same order in all. */
export function medianReports(rounds: readonly StreamReport[][]): StreamReport[] {
  return rounds[0].map((first, index) => {
    const medianOf = (rateOf: (report: StreamReport) => number) => {
      return median(rounds.map((reports) => rateOf(reports[index])));
    };
    return {
      ...first,
      prefill: {
        ...first.prefill,
        tokensPerSecond: medianOf(({ prefill }) => prefill.tokensPerSecond),
      },
      decode: first.decode.map(({ depth }, at) => {
        return { depth, tokensPerSecond: medianOf(({ decode }) => decode[at].tokensPerSecond) };
      }),
    };
  });
}

/** The reports side by side, with ratios to the first. */
export function formatStreamReport(reports: readonly StreamReport[]): string {
  const [first] = reports;
  const rate = (value: number, base: number) =>
    `${value.toFixed(1).padStart(8)} t/s ${(value / base).toFixed(2).padStart(6)}`;
  return reports.map((report) => {
    const lines = [`${report.name} on ${report.device}`];
    const { prefill } = report;
    const base = first.prefill.tokensPerSecond;
    lines.push(`  prefill ${prefill.depth}: ${rate(prefill.tokensPerSecond, base)}`);
    report.decode.forEach(({ depth, tokensPerSecond }, index) => {
      const base = first.decode[index].tokensPerSecond;
      lines.push(`  decode at ${depth}: ${rate(tokensPerSecond, base)}`);
    });
    return lines.join("\n");
  }).join("\n");
}

/**
 * A prompt of `count` ids without repetition that a cache could gain from, of large vocabularies
 * without the first and last thousand, which may be control tokens.
 */
function benchPrompt(count: number, vocabSize: number): number[] {
  const first = Math.min(1000, vocabSize >> 2);
  return Array.from({ length: count }, (_, i) => first + (i * 7919) % (vocabSize - 2 * first));
}

async function generate(engine: Engine, depth: number, maxTokens: number): Promise<Finish> {
  const promptIds = benchPrompt(depth, engine.info.vocabSize);
  // All runs begin alike: none may find what the one before it left in the cache.
  const request = { promptIds, maxTokens, ignoreEos: true, skipsCache: true, speculates: false };
  for await (const event of engine.generate(request)) {
    if (event.type === "finish") return event;
  }
  throw new TypeError("Cannot measure: the generation ended without a finish event");
}
