/**
 * What a GPU is, does and how fast, as a value that can be shared: it names nothing but device,
 * driver, system and runtime.
 *
 * @module
 */

import type { AdapterFacts } from "../gpu/gpu.ts";
import { openGpu } from "../gpu/open_gpu.ts";
import type { OpenOptions } from "../gpu/webgpu_source.ts";
import { type KernelReport, measureKernels } from "./kernels.ts";
import { REPORT_MODELS, type ReportModel } from "./models.ts";
import { measureProducts, type ProductReport } from "./products.ts";
import { type DeviceRates, measureRates } from "./rates.ts";
import { expectedSpeeds, type SpeedReport } from "./speed.ts";

/** The report. */
export interface DeviceReport {
  /** Of this form. */
  version: 2;
  system: string;
  runtime: string;
  /** What the adapter says, and the probe found. */
  adapter: AdapterFacts;
  rates: DeviceRates;
  /** Matrix products of two models' shapes, compared with plain loops. */
  products: ProductReport[];
  /** Attention of rows and slices, unpacking, sealing and choosing for the same, likewise. */
  kernels: KernelReport[];
  /** What these times add up to. */
  expected: SpeedReport[];
}

/**
 * Measures a device for some seconds, a CPU for longer.
 *
 * @throws {EngineError} as {@link openGpu} does.
 */
export async function deviceReport(
  { models = REPORT_MODELS, ...options }: OpenOptions & { models?: readonly ReportModel[] } = {},
): Promise<DeviceReport> {
  const gpu = await openGpu(options);
  try {
    const rates = await measureRates(gpu);
    const products: ProductReport[] = [];
    const kernels: KernelReport[] = [];
    for (const model of models) {
      products.push(...await measureProducts(gpu, model));
      kernels.push(...await measureKernels(gpu, model));
    }
    return {
      version: 2,
      system: `${Deno.build.os} ${Deno.build.arch}`,
      runtime: `Deno ${Deno.version.deno}`,
      adapter: gpu.facts,
      rates,
      products,
      kernels,
      expected: models.flatMap((model) => expectedSpeeds(model, { products, kernels })),
    };
  } finally {
    gpu.close();
  }
}
