/** The GPU of a test process, and helpers to run one kernel and read its result. */

import type { Gpu } from "../../src/gpu/gpu.ts";
import { openGpu } from "../../src/gpu/open_gpu.ts";
import { readBuffer } from "../../src/gpu/read_back.ts";

/** Names whose WebGPU opens the device, where a command that runs the tests sets it. */
export const TEST_WEBGPU_VARIABLE = "PACKKV_TEST_WEBGPU";

let opened: Promise<Gpu> | undefined;

/** The device shared by the tests of this process. Fails where there is no adapter. */
export function testGpu(): Promise<Gpu> {
  const webgpu = Deno.env.get(TEST_WEBGPU_VARIABLE) === "dawn" ? "dawn" : "deno";
  opened ??= openGpu({ webgpu }).then((gpu) => {
    gpu.onFailure = (code, message) => {
      throw new Error(`${code}: ${message}`);
    };
    return gpu;
  });
  return opened;
}

/** Encodes one compute pass and submits it. */
export function submitPass(gpu: Gpu, encode: (pass: GPUComputePassEncoder) => void): void {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(pass);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
}

/** Reads `count` f32 values of a buffer. */
export async function readF32(gpu: Gpu, buffer: GPUBuffer, count: number): Promise<Float32Array> {
  return new Float32Array(await readBuffer(gpu, buffer, { sizeBytes: count * 4 }));
}

/** Reads `count` u32 values of a buffer. */
export async function readU32(gpu: Gpu, buffer: GPUBuffer, count: number): Promise<Uint32Array> {
  return new Uint32Array(await readBuffer(gpu, buffer, { sizeBytes: count * 4 }));
}
