/**
 * Reading small results from the GPU without the fixed 10 ms sleep that an awaited `mapAsync`
 * costs in Deno. The first poll of `mapAsync` already waits for the queue, so the buffer is mapped
 * when the call returns; a self-test at creation decides whether that holds here, else reads await.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import type { Gpu } from "./gpu.ts";

const READ_USAGE = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;

/** One staging buffer that is copied to inside a step and read after its submission. */
export class ReadBack {
  #gpu: Gpu;
  #staging: GPUBuffer;
  #isSynchronous: boolean;

  private constructor(gpu: Gpu, label: string, sizeBytes: number, isSynchronous = true) {
    this.#gpu = gpu;
    this.#isSynchronous = isSynchronous;
    // Reading a buffer that was never mapped would end the process: map it once here.
    const options = { usage: READ_USAGE, mappedAtCreation: true };
    this.#staging = gpu.createBuffer(label, sizeBytes, options);
    this.#staging.unmap();
  }

  /** Makes a staging buffer of `sizeBytes` and tests the synchronous way of reading it. */
  static create(gpu: Gpu, label: string, sizeBytes: number): ReadBack {
    const readBack = new ReadBack(gpu, label, sizeBytes);
    const probe = gpu.createBufferWith("read-back probe", Uint32Array.of(0x5ea1ed, 1, 2, 3));
    const encoder = gpu.device.createCommandEncoder();
    readBack.encodeCopy(encoder, probe, { sizeBytes: 16 });
    gpu.device.queue.submit([encoder.finish()]);
    try {
      const words = new Uint32Array(readBack.#readMapped(16));
      readBack.#isSynchronous = words[0] === 0x5ea1ed && words[3] === 3;
    } catch {
      readBack.#isSynchronous = false;
      readBack.#staging.unmap(); // the map is still pending, and would refuse the next one
    }
    gpu.destroyBuffer(probe);
    return readBack;
  }

  /** One more of the same size, which is read in the same way. */
  another(label: string): ReadBack {
    return new ReadBack(this.#gpu, label, this.#staging.size, this.#isSynchronous);
  }

  /** Whether reads return without the fixed sleep: each waits for all that is submitted. */
  get isSynchronous(): boolean {
    return this.#isSynchronous;
  }

  /** Encodes a copy of `sizeBytes` from `source` into the staging buffer. */
  encodeCopy(
    encoder: GPUCommandEncoder,
    source: GPUBuffer,
    range: { offsetBytes?: number; sizeBytes: number; targetOffsetBytes?: number },
  ): void {
    const { offsetBytes = 0, sizeBytes, targetOffsetBytes = 0 } = range;
    encoder.copyBufferToBuffer(source, offsetBytes, this.#staging, targetOffsetBytes, sizeBytes);
  }

  /** Waits for all submitted work and returns the first `sizeBytes` of the staging buffer. */
  async read(sizeBytes: number): Promise<ArrayBuffer> {
    if (this.#isSynchronous) return this.#readMapped(sizeBytes);
    await this.#staging.mapAsync(GPUMapMode.READ, 0, sizeBytes);
    const copy = this.#staging.getMappedRange(0, sizeBytes).slice(0);
    this.#staging.unmap();
    return copy;
  }

  /** The same without giving others a turn; only if reads are synchronous. */
  readNow(sizeBytes: number): ArrayBuffer {
    invariant(this.#isSynchronous, "reads are synchronous here");
    return this.#readMapped(sizeBytes);
  }

  /** Frees the staging buffer. */
  destroy(): void {
    this.#gpu.destroyBuffer(this.#staging);
  }

  #readMapped(sizeBytes: number): ArrayBuffer {
    this.#staging.mapAsync(GPUMapMode.READ, 0, sizeBytes).catch(() => {});
    const copy = this.#staging.getMappedRange(0, sizeBytes).slice(0);
    this.#staging.unmap();
    return copy;
  }
}

/** Reads a range of a buffer once: for loading, tests and measurement, not for the step loop. */
export async function readBuffer(
  gpu: Gpu,
  buffer: GPUBuffer,
  range: { offsetBytes?: number; sizeBytes: number },
): Promise<ArrayBuffer> {
  const readBack = ReadBack.create(gpu, "read once", range.sizeBytes);
  const encoder = gpu.device.createCommandEncoder();
  readBack.encodeCopy(encoder, buffer, range);
  gpu.device.queue.submit([encoder.finish()]);
  const bytes = await readBack.read(range.sizeBytes);
  readBack.destroy();
  return bytes;
}
