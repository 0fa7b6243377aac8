/**
 * Kernels beside products: whether each is right on a device, and how fast for a model.
 *
 * @module
 */

import type { SamplingOptions } from "../core/sampling.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { readBuffer } from "../gpu/read_back.ts";
import { sampleSettingsWords } from "../kernels/sample/sampling.ts";
import { createTokenSampler } from "../model/sampler.ts";
import { sampleReference } from "../reference/sample.ts";
import { measureBanded } from "./codecs/banded.ts";
import type { MeasuredKernel, ReportModel } from "./models.ts";
import { measurePrefill } from "./prefill.ts";
import { randomValues } from "./random.ts";
import { timeOf } from "../gpu/timing.ts";

/** One kernel on a device. */
export interface KernelReport extends MeasuredKernel {
  model: string;
  isRight: boolean;
}

/** Sums in f32 of up to some hundred products and their exponentials. */
const ERROR_MAX = 1e-9;

/** Decisions nearer to their turning point may be decided otherwise in f32. */
const MARGIN_MIN = 1e-6;

const SAMPLING: Readonly<Record<string, SamplingOptions>> = {
  "sample, greedy": { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 1 },
  "sample, top-p 0.95": { temperature: 0.8, topK: 0, topP: 0.95, minP: 0, seed: 1 },
};

/**
 * Measures attention at a depth of 4,096 tokens, unpacking, sealing and choosing of a model; a CPU
 * leaves out prefill attention of a large one.
 */
export async function measureKernels(gpu: Gpu, model: ReportModel): Promise<KernelReport[]> {
  const measured = [
    ...await measureBanded(gpu, model),
    ...await measurePrefill(gpu, model),
    ...await measureSampling(gpu, model),
  ];
  return measured.map((each) => {
    return { model: model.name, ...each, isRight: each.error <= ERROR_MAX };
  });
}

async function measureSampling(gpu: Gpu, { vocabSize }: ReportModel): Promise<MeasuredKernel[]> {
  const kernel = await createTokenSampler(gpu, vocabSize);
  const values = randomValues(vocabSize, { seed: 5, scale: 8 });
  for (let id = 7; id < vocabSize; id += 4001) values[id] += 6; // some stand out
  const buffers = {
    logits: gpu.createBufferWith("logits", values),
    rows: gpu.createBufferWith("rows", Uint32Array.of(0, 1, 0, 0)),
    ids: gpu.createBuffer("ids", 16),
  };
  const reports: MeasuredKernel[] = [];
  for (const [name, options] of Object.entries(SAMPLING)) {
    const settings = gpu.createBufferWith("settings", sampleSettingsWords(options));
    const bound = kernel.bind({ ...buffers, settings }, 1);
    const milliseconds = await timeOf(gpu, buffers.ids, (pass) => kernel.encode(pass, bound, 1));
    const [id] = new Uint32Array(await readBuffer(gpu, buffers.ids, { sizeBytes: 4 }));
    const wanted = sampleReference(values, options, 1);
    const isRight = id === wanted.id || wanted.margin < MARGIN_MIN;
    reports.push({ name, milliseconds, error: isRight ? 0 : 1 });
    for (const buffer of [settings, ...bound.scratch]) gpu.destroyBuffer(buffer);
  }
  for (const buffer of Object.values(buffers)) gpu.destroyBuffer(buffer);
  return reports;
}
