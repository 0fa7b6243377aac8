/**
 * What a GPU is, does and how fast, as a value that can be shared: it names nothing but device,
 * driver, system and runtime.
 *
 * @module
 */

import type { AdapterFacts } from "../gpu/gpu.ts";
import { openGpu, type OpenOptions } from "../gpu/open_gpu.ts";
import { measureProducts, type ProductReport } from "./products.ts";
import { type DeviceRates, measureRates } from "./rates.ts";

/** The report. */
export interface DeviceReport {
  /** Of this form. */
  version: 1;
  system: string;
  runtime: string;
  /** What the adapter says, and the probe found. */
  adapter: AdapterFacts;
  rates: DeviceRates;
  /** Matrix products of SmolLM2-135M's shapes, compared with plain loops. */
  products: ProductReport[];
}

/**
 * Measures a device for some seconds.
 *
 * @throws {EngineError} as {@link openGpu} does.
 */
export async function deviceReport(options: OpenOptions = {}): Promise<DeviceReport> {
  const gpu = await openGpu(options);
  try {
    return {
      version: 1,
      system: `${Deno.build.os} ${Deno.build.arch}`,
      runtime: `Deno ${Deno.version.deno}`,
      adapter: gpu.facts,
      rates: await measureRates(gpu),
      products: await measureProducts(gpu),
    };
  } finally {
    gpu.close();
  }
}
