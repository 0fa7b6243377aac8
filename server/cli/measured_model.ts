/**
 * The model that a measurement runs, on the GPU that is asked for.
 *
 * @module
 */

import type { AdapterOptions } from "../../src/core/adapter_options.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { type LoadedModel, loadModel } from "../../src/runtime/load_model.ts";
import type { ProductMath } from "../../src/runtime/types.ts";
import { ensureDawn } from "../setup/packages.ts";
import type { ProgressLine } from "../setup/progress.ts";

/** How products are made, and whose WebGPU opens which GPU. */
export interface MeasuredSetup {
  math: ProductMath;
  adapter: AdapterOptions;
}

/** A model's name in reports and states: with what else its numbers depend on. */
export function measuredName(
  name: string,
  { math, adapter: { webgpu = "deno" } }: MeasuredSetup,
): string {
  const parts = [
    name,
    math === "f32" ? null : `products in ${math}`,
    webgpu === "deno" ? null : `by ${webgpu}`,
  ];
  return parts.filter((part) => part !== null).join(", ");
}

/**
 * Opens the GPU and loads a model, which is called {@link measuredName}.
 *
 * @throws {SetupError} If a package that is asked for cannot be fetched.
 * @throws {EngineError} As `loadModel` does.
 */
export async function loadMeasured(
  modelPath: string,
  setup: MeasuredSetup,
  progress: ProgressLine,
): Promise<LoadedModel> {
  const { math, adapter } = setup;
  await ensureDawn(adapter.webgpu, progress);
  const model = await loadModel(await readGguf(modelPath), progress.update, { math, ...adapter });
  return { ...model, shape: { ...model.shape, name: measuredName(model.shape.name, setup) } };
}
