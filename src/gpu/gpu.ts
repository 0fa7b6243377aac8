/**
 * The one GPU device of a thread: what it is and can do, buffers that are counted, pipelines whose
 * errors are not lost, and failures that are named.
 *
 * @module
 */

import type { WebGpuName } from "../core/adapter_options.ts";
import { alignUp } from "../core/shapes.ts";
import { EngineError, type EngineErrorCode } from "../core/errors.ts";
import { withOrigin } from "./wgsl_origin.ts";
import { workgroupMemoryBytes } from "./workgroup_memory.ts";

/** Bindings start at multiples of this many bytes on every adapter. */
export const BINDING_ALIGNMENT_BYTES = 256;

/** What the adapter is and can do. */
export interface AdapterFacts {
  name: string;
  driver: string;
  /** Whose WebGPU opened it. */
  webgpu: WebGpuName;
  /** Whether it is a CPU device (software Vulkan). */
  isFallback: boolean;
  /** As the adapter says; 0 if it says nothing. */
  subgroupSizeMin: number;
  subgroupSizeMax: number;
  /**
   * Lanes of the largest workgroup, of at most 32, that is in one subgroup whatever its pipeline,
   * in order, and exchanges values right; 0 if there is none. Probed.
   */
  subgroupLanes: number;
  /**
   * Whether the threads of a larger workgroup are in subgroups by teams of `subgroupLanes`: each
   * that many neighbours in one subgroup, in order. Probed.
   */
  hasTeams: boolean;
  /** Whether `round` takes halves to the even neighbour. Probed. */
  roundsToEven: boolean;
  /** How f32 becomes f16. Probed. */
  halfRounding: "to even" | "toward zero" | "other";
  /** Whether f16 arithmetic compiles and is right. Probed. */
  hasF16: boolean;
  /** Whether `dot4I8Packed` compiles and is right. Probed. */
  hasDot4: boolean;
  /** Whether the device has a clock that can be read. Probed. */
  hasTimestamps: boolean;
  /**
   * Whether the compiler refuses barriers and shuffles in loops that it cannot prove uniform, and
   * wants `enable subgroups;`, as the standard says and the runtime's own does not. Probed.
   */
  checksUniformity: boolean;
  /** Bytes of workgroup memory of a workgroup. */
  workgroupMemoryBytesMax: number;
  /** Threads of a workgroup. */
  workgroupSizeMax: number;
  bindingSizeMax: number;
  bufferSizeMax: number;
  /**
   * By operation and shape: the variant that was measured to be faster on it than the first that
   * its table supports. Empty unless something was measured.
   */
  tuned: Readonly<Record<string, string>>;
}

/** How to make one compute pipeline. */
export interface PipelineOptions {
  label: string;
  /** WGSL. Errors name the lines of the files it was made of: see `wgsl_origin.ts`. */
  code: string;
  /** Values of the shader's `override` constants. */
  constants?: Record<string, number>;
}

/** A range of a buffer, as bound to a kernel. Offsets are multiples of 256 bytes. */
export interface BufferSlice {
  buffer: GPUBuffer;
  offset?: number;
  size?: number;
}

const STORAGE_USAGE = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;

/** An open device with what is known about it. */
export class Gpu {
  readonly device: GPUDevice;
  readonly facts: AdapterFacts;
  /** Called once with the first failure outside any error scope, or the loss of the device. */
  onFailure: (code: EngineErrorCode, message: string) => void = () => {};
  #failure: EngineError | null = null;
  #buffers = new Map<GPUBuffer, number>();
  /** By what they are made of: drivers compile an equal text again. */
  #pipelines = new Map<string, GPUComputePipeline>();
  #allocatedBytes = 0;
  #closed = false;

  /** Of an open device; `openGpu()` in `open_gpu.ts` opens one. */
  constructor(device: GPUDevice, facts: AdapterFacts) {
    this.device = device;
    this.facts = facts;
    device.addEventListener("uncapturederror", (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      this.#fail(failureCode(error), error.message);
    });
    device.lost.then((info) => {
      if (!this.#closed) this.#fail("device_lost", info.message || String(info.reason));
    });
  }

  /** Device bytes of all buffers made here and not destroyed. */
  get allocatedBytes(): number {
    return this.#allocatedBytes;
  }

  /** The failure {@link onFailure} was called with, or would have been before it was set. */
  get failure(): EngineError | null {
    return this.#failure;
  }

  /** Throws {@link failure}, if there is one: what is read behind it is worthless. */
  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** {@link failure} of all that was done so far: a device reports it as a task of its own. */
  async failureByNow(): Promise<EngineError | null> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    return this.#failure;
  }

  /** As {@link throwIfFailed}, of all that was done so far: before a result is kept or shown. */
  async throwIfFailedByNow(): Promise<void> {
    await this.failureByNow();
    this.throwIfFailed();
  }

  /**
   * Makes a zeroed storage buffer (or one with `usage`), rounded up to 16 bytes.
   *
   * @throws {RangeError} If it exceeds the adapter's largest buffer.
   */
  createBuffer(
    label: string,
    sizeBytes: number,
    { usage = STORAGE_USAGE, mappedAtCreation = false } = {},
  ): GPUBuffer {
    const size = Math.max(16, Math.ceil(sizeBytes / 16) * 16);
    if (size > this.facts.bufferSizeMax) {
      throw new RangeError(
        `Cannot create buffer ${label}: ${size} bytes exceed the adapter's ` +
          `${this.facts.bufferSizeMax}`,
      );
    }
    const buffer = this.device.createBuffer({ label, size, usage, mappedAtCreation });
    this.#buffers.set(buffer, size);
    this.#allocatedBytes += size;
    return buffer;
  }

  /** Whether buffers of these sizes can be had beside those there are. Keeps none of them. */
  async hasRoomFor(sizesBytes: readonly number[]): Promise<boolean> {
    this.device.pushErrorScope("out-of-memory");
    const buffers = sizesBytes.map((size) =>
      this.device.createBuffer({ label: "room", size: alignUp(size, 16), usage: STORAGE_USAGE })
    );
    const error = await this.device.popErrorScope();
    for (const buffer of buffers) buffer.destroy();
    this.device.queue.submit([]); // what was destroyed is freed
    return error === null;
  }

  /** Frees a buffer made by {@link createBuffer}. */
  destroyBuffer(buffer: GPUBuffer): void {
    this.#allocatedBytes -= this.#buffers.get(buffer) ?? 0;
    this.#buffers.delete(buffer);
    buffer.destroy();
  }

  /** Makes a storage buffer that holds `data`. */
  createBufferWith(label: string, data: ArrayBufferView): GPUBuffer {
    const buffer = this.createBuffer(label, data.byteLength);
    this.write(buffer, 0, data);
    return buffer;
  }

  /** Makes a uniform buffer that holds one u32: such a binding is none of the 8 for storage. */
  createUniformWith(label: string, value: number): GPUBuffer {
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    const buffer = this.createBuffer(label, 4, { usage });
    this.write(buffer, 0, Uint32Array.of(value));
    return buffer;
  }

  /** Queues a write; takes effect before the next submitted commands. */
  write(buffer: GPUBuffer, offsetBytes: number, data: ArrayBufferView): void {
    // The runtime panics on an empty write.
    if (data.byteLength === 0) return;
    this.device.queue.writeBuffer(
      buffer,
      offsetBytes,
      data.buffer as ArrayBuffer,
      data.byteOffset,
      data.byteLength,
    );
  }

  /**
   * Compiles a pipeline with an automatic layout and the entry point `main`, or gives the one there
   * is of the same text and constants.
   *
   * @throws {EngineError} `gpu_validation` with the compiler's message; `adapter_unsupported` if it
   * takes more workgroup memory than there is.
   */
  async createPipeline(options: PipelineOptions): Promise<GPUComputePipeline> {
    const { label, code, constants = {} } = options;
    const made = JSON.stringify([Object.entries(constants).sort(), code]);
    const before = this.#pipelines.get(made);
    if (before !== undefined) return before;
    const workgroupBytes = workgroupMemoryBytes(code, constants);
    const { workgroupMemoryBytesMax } = this.facts;
    if (workgroupBytes > workgroupMemoryBytesMax) {
      throw new EngineError(
        "adapter_unsupported",
        `Cannot create ${label}: it takes ${workgroupBytes} bytes of workgroup memory, ` +
          `the adapter has ${workgroupMemoryBytesMax}`,
      );
    }
    const isEnabled = this.facts.checksUniformity && /\bsubgroup[A-Z_]/.test(code);
    const text = isEnabled ? `enable subgroups; ${code}` : code; // lines keep their numbers
    const make = () => {
      const module = this.device.createShaderModule({ label, code: text });
      const compute = { module, entryPoint: "main", constants };
      return this.device.createComputePipeline({ label, layout: "auto", compute });
    };
    const pipeline = await this.checked(label, make).catch((error) => {
      if (error instanceof EngineError) error.message = withOrigin(error.message, code);
      throw error;
    });
    this.#pipelines.set(made, pipeline);
    return pipeline;
  }

  /** Runs `make` inside error scopes and throws what they caught as an {@link EngineError}. */
  async checked<T>(label: string, make: () => T): Promise<T> {
    this.device.pushErrorScope("out-of-memory");
    this.device.pushErrorScope("validation");
    const made = make();
    const errors = [await this.device.popErrorScope(), await this.device.popErrorScope()];
    const error = errors.find((candidate) => candidate !== null);
    if (error) {
      throw new EngineError(failureCode(error), `Cannot create ${label}: ${error.message}`);
    }
    return made;
  }

  /**
   * Resolves once the device has done all that was submitted, or is lost. The runtime waits 6.3 s
   * for that where a device is dropped, and then ends the process (wgpu-core 29, device/queue.rs).
   */
  async idle(): Promise<void> {
    await Promise.race([this.device.queue.onSubmittedWorkDone(), this.device.lost]);
  }

  /** Destroys every buffer and the device. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const buffer of this.#buffers.keys()) buffer.destroy();
    this.#buffers.clear();
    this.#allocatedBytes = 0;
    this.device.destroy();
  }

  #fail(code: EngineErrorCode, message: string): void {
    if (this.#failure) return;
    this.#failure = new EngineError(code, message);
    this.onFailure(code, message);
  }
}

function failureCode(error: GPUError): EngineErrorCode {
  // By name, as implementations beside the runtime's have classes of their own.
  return error.constructor.name === "GPUOutOfMemoryError" ? "out_of_memory" : "gpu_validation";
}
