/**
 * Where adapters are looked for: the runtime's own WebGPU, or Dawn.
 *
 * @module
 */

import type { AdapterOptions, WebGpuName } from "../core/adapter_options.ts";
import { EngineError } from "../core/errors.ts";
import { openDawn } from "./dawn.ts";

/** Which adapter, or of which WebGPU that the caller has. */
export interface OpenOptions extends Omit<AdapterOptions, "webgpu"> {
  webgpu?: WebGpuName | GPU;
}

const DAWN_HINT =
  "Dawn wants newer drivers than the runtime's own WebGPU does, for software Vulkan " +
  "such as Mesa 25; without --webgpu the runtime's is used";

/**
 * The WebGPU that is asked for; undefined where the runtime has none.
 *
 * @throws {EngineError} `adapter_missing` if Dawn's package cannot be fetched or loaded;
 * `invalid_request` for the name of an adapter where only Dawn knows names.
 */
async function findWebGpu(
  { webgpu = "deno", adapterName }: OpenOptions,
): Promise<GPU | undefined> {
  if (webgpu === "dawn") return await openDawn(adapterName);
  if (adapterName !== undefined) {
    throw new EngineError(
      "invalid_request",
      `Cannot choose an adapter by its name, ${
        JSON.stringify(adapterName)
      }: the runtime's WebGPU ` +
        "knows high-performance and low-power, and only Dawn knows names",
    );
  }
  return webgpu === "deno" ? navigator.gpu : webgpu;
}

/**
 * The adapter that is asked for, and whose it is.
 *
 * @throws {EngineError} As {@link findWebGpu} does; `adapter_missing` if there is none.
 */
export async function findAdapter(
  { power = "high-performance", ...options }: OpenOptions,
): Promise<{ webgpu: GPU; adapter: GPUAdapter }> {
  const webgpu = await findWebGpu(options);
  let adapter: GPUAdapter | null | undefined;
  try {
    adapter = await webgpu?.requestAdapter({ powerPreference: power });
  } catch (cause) {
    // Where none has the name that was asked for, with a list of those there are.
    throw new EngineError("adapter_missing", `Cannot open a GPU: ${dawnsReason(cause)}`, { cause });
  }
  if (webgpu && adapter) return { webgpu, adapter };
  const hint = webgpu && isDawns(webgpu) ? DAWN_HINT : "`packkv doctor` says what to install";
  throw new EngineError("adapter_missing", `Cannot open a GPU: no WebGPU adapter found; ${hint}`);
}

/** Names of adapters from a list like `* backend: 'vulkan', name: 'NVIDIA H200'`. */
function dawnsReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const names = [...message.matchAll(/ name: '(.*)'$/gm)].map(([, name]) => name);
  if (names.length === 0) return message;
  return `none has this in its name, case counts; there are: ${[...new Set(names)].join("; ")}`;
}

/** Whether an object of WebGPU is Dawn's: its classes are not the runtime's. */
export function isDawns(object: GPU | GPUDevice): boolean {
  return !(object instanceof GPU || object instanceof GPUDevice);
}
