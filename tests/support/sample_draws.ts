/** Rows of logits of which a token is chosen, by the kernels and by the reference. */

import { assertEquals, assertGreater } from "@std/assert";
import type { SamplingOptions } from "../../src/core/sampling.ts";
import type { Gpu } from "../../src/gpu/gpu.ts";
import { SampleChunksKernel } from "../../src/kernels/sample/chunks.ts";
import { SampleKernel } from "../../src/kernels/sample/row.ts";
import { sampleSettingsWords, type TokenSampler } from "../../src/kernels/sample/sampling.ts";
import { sampleReference } from "../../src/reference/sample.ts";
import { readU32, submitPass, testGpu } from "./gpu.ts";
import { seededNormals, seededRandom } from "./numeric.ts";

/**
 * Where a decision is nearer to its turning point than this share of the mass, f32 may decide
 * otherwise: sums of up to 50,000 weights with relative errors of 1e-7 each.
 */
export const MARGIN_MIN = 1e-6;

/** The most likely token. */
export const GREEDY: SamplingOptions = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 };

/** Nothing is cut. */
export const PLAIN: SamplingOptions = { ...GREEDY, temperature: 1 };

/** One row, and how a token of it is chosen. */
export interface Draw {
  logits: Float32Array;
  settings: SamplingOptions;
  position: number;
}

/** The kernel, and the threads of a workgroup of `row`. */
export interface SampleWay {
  by?: "row" | "chunks";
  workgroupSize?: number;
}

const kernels = new Map<string, Promise<TokenSampler>>();

/** Compiling takes longer than running: each shape is compiled once. */
function kernelFor(gpu: Gpu, vocabSize: number, { by = "row", ...options }: SampleWay) {
  const key = JSON.stringify([vocabSize, by, options]);
  const kernel = kernels.get(key) ??
    (by === "row" ? SampleKernel : SampleChunksKernel).create(gpu, { vocabSize, ...options });
  kernels.set(key, kernel);
  return kernel;
}

/** Runs all draws in one dispatch, a slot each, tokens in reversed order; returns them in order. */
export async function sample(draws: Draw[], way: SampleWay = {}): Promise<number[]> {
  const gpu = await testGpu();
  const vocabSize = draws[0].logits.length;
  const kernel = await kernelFor(gpu, vocabSize, way);
  const logits = new Float32Array(draws.length * vocabSize);
  const rows = new Uint32Array(draws.length * 4);
  const settings = new Uint32Array(draws.length * 8);
  draws.forEach((draw, row) => {
    const slot = (row * 7 + 3) % draws.length; // a permutation unless 7 divides the count
    logits.set(draw.logits, row * vocabSize);
    rows.set([slot, draw.position, 0, draws.length - 1 - row], row * 4);
    settings.set(sampleSettingsWords(draw.settings), slot * 8);
  });
  const ids = gpu.createBufferWith("ids", new Uint32Array(draws.length).fill(0xffffffff));
  const buffers = {
    logits: gpu.createBufferWith("logits", logits),
    rows: gpu.createBufferWith("rows", rows),
    settings: gpu.createBufferWith("settings", settings),
    ids,
  };
  const bound = kernel.bind(buffers, draws.length);
  submitPass(gpu, (pass) => kernel.encode(pass, bound, draws.length));
  const reversed = await readU32(gpu, ids, draws.length);
  for (const buffer of [...Object.values(buffers), ...bound.scratch]) gpu.destroyBuffer(buffer);
  return [...reversed].reverse();
}

/** Logits spread like a model's: most far below a few, span about 40. */
export function modelLogits(vocabSize: number, seed: number): Float32Array {
  const logits = seededNormals(vocabSize, seed, 3.5);
  const random = seededRandom(seed + 77);
  for (let i = 0; i < 12; i++) logits[Math.floor(random() * vocabSize)] += 10 + 8 * random();
  return logits;
}

/** Ways of choosing, each with something cut or nothing. */
export const RULES: { why: string; settings: SamplingOptions }[] = [
  { why: "greedy", settings: GREEDY },
  { why: "no truncation", settings: PLAIN },
  { why: "hot", settings: { ...PLAIN, temperature: 5 } },
  { why: "top-k 40", settings: { ...PLAIN, temperature: 3, topK: 40 } },
  { why: "top-k of half the tokens", settings: { ...PLAIN, temperature: 9, topK: 48 } },
  { why: "top-p 0.95", settings: { ...PLAIN, temperature: 2, topP: 0.95 } },
  { why: "top-p 0.999, hot", settings: { ...PLAIN, temperature: 8, topP: 0.999 } },
  { why: "min-p 0.05", settings: { ...PLAIN, temperature: 2, minP: 0.05 } },
  { why: "nearly cold", settings: { ...PLAIN, temperature: 1e-4 } },
  { why: "top-k beyond the vocabulary", settings: { ...PLAIN, temperature: 2, topK: 5000 } },
  { why: "all", settings: { temperature: 2.5, topK: 50, topP: 0.9, minP: 0.01, seed: 0 } },
];

/** Fails where a clear choice is not the reference's, or few are clear. */
export function assertReferenceChoices(draws: readonly Draw[], ids: readonly number[]): void {
  let clearCount = 0;
  draws.forEach(({ logits, settings, position }, row) => {
    const wanted = sampleReference(logits, settings, position);
    if (wanted.margin < MARGIN_MIN) return;
    clearCount++;
    assertEquals(ids[row], wanted.id, `row ${row}`);
  });
  assertGreater(clearCount, 0.8 * draws.length, "most choices are clear");
}
