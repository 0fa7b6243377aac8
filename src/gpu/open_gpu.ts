/**
 * Opening the GPU: which adapter, its limits and features, and what its device does.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { NOTHING_PROBED, probeDevice } from "./device_probe.ts";
import { type AdapterFacts, Gpu } from "./gpu.ts";
import { keepLibraries } from "./keep_libraries.ts";
import { findAdapter, isDawns, type OpenOptions } from "./webgpu_source.ts";

/** Each that is missing is done without. */
const FEATURES = ["subgroups", "timestamp-query", "shader-f16"] as const;

const DIVERGENT_TEXT = `@compute @workgroup_size(2)
fn main(@builtin(local_invocation_index) thread: u32) {
  if (thread == 0u) {
    workgroupBarrier();
  }
}`;

/** Sizes are counted in 32 bits in places. */
const SIZE_MAX = 2 ** 31 - 4;

/**
 * Opens the adapter with every limit it offers, and probes its device.
 *
 * @throws {EngineError} `adapter_missing` if there is none, or no such WebGPU;
 * `adapter_unsupported` if it cannot open a device; `invalid_request` for a name where only Dawn
 * knows names.
 */
export async function openGpu(options: OpenOptions = {}): Promise<Gpu> {
  const { webgpu, adapter } = await findAdapter(options);
  const { info, limits } = adapter;
  const device = await openDevice(adapter);
  keepLibraries();
  const facts: AdapterFacts = {
    name: adapterName(info, isDawns(device)),
    driver: info.architecture || info.vendor,
    webgpu: isDawns(device) ? "dawn" : "deno",
    isFallback: (info as { isFallbackAdapter?: boolean }).isFallbackAdapter ?? false,
    subgroupSizeMin: (info as { subgroupMinSize?: number }).subgroupMinSize ?? 0,
    subgroupSizeMax: (info as { subgroupMaxSize?: number }).subgroupMaxSize ?? 0,
    ...NOTHING_PROBED,
    checksUniformity: await checksUniformity(device),
    workgroupMemoryBytesMax: limits.maxComputeWorkgroupStorageSize,
    workgroupSizeMax: limits.maxComputeInvocationsPerWorkgroup,
    bindingSizeMax: Math.min(limits.maxStorageBufferBindingSize, SIZE_MAX),
    bufferSizeMax: Math.min(limits.maxBufferSize, SIZE_MAX),
    tuned: {},
  };
  const gpu = new Gpu(device, facts);
  Object.assign(facts, await probeDevice(gpu, webgpu));
  return gpu;
}

/** Dawn describes the driver where the runtime names the adapter. */
function adapterName(info: GPUAdapterInfo, isOfDawn: boolean): string {
  const { vendor, device, description } = info;
  return isOfDawn ? `${device || vendor}, ${description}` : description || `${vendor} ${device}`;
}

/** Whether a barrier that some threads do not reach is refused. */
async function checksUniformity(device: GPUDevice): Promise<boolean> {
  device.pushErrorScope("validation");
  device.createShaderModule({ label: "probe of uniformity", code: DIVERGENT_TEXT });
  return await device.popErrorScope() !== null;
}

async function openDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const { limits } = adapter;
  const requiredLimits = {
    maxBufferSize: limits.maxBufferSize,
    maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
    maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
    maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
    maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
    maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
  };
  // A feature may be usable without being listed, so the way to know is to ask for it.
  let cause: unknown;
  for (let keep: number = FEATURES.length; keep >= 0; keep--) {
    const requiredFeatures = FEATURES.slice(0, keep) as GPUFeatureName[];
    try {
      return await adapter.requestDevice({ requiredFeatures, requiredLimits });
    } catch (error) {
      cause = error;
    }
  }
  throw new EngineError("adapter_unsupported", "Cannot open a device on this adapter", { cause });
}
