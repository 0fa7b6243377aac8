/**
 * A compiled kernel: what it binds, by the names that its shader has for it, and its dispatches.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import type { BufferSlice, Gpu, PipelineOptions } from "./gpu.ts";
import { type Binding, bindings } from "./wgsl_declarations.ts";

/** Buffers by name; null for one that the shader declares but this text of it does not use. */
export type NamedBuffers = Readonly<Record<string, GPUBuffer | BufferSlice | null | undefined>>;

/** A pipeline with its bindings. */
export class Kernel {
  readonly gpu: Gpu;
  readonly #label: string;
  readonly #pipeline: GPUComputePipeline;
  readonly #code: string;
  #found: readonly Binding[] | null = null;
  readonly #owned: GPUBuffer[] = [];

  private constructor(gpu: Gpu, pipeline: GPUComputePipeline, options: PipelineOptions) {
    this.gpu = gpu;
    this.#pipeline = pipeline;
    this.#label = options.label;
    this.#code = options.code;
  }

  /** Those of its text, read when the first buffers are bound. */
  get #bindings(): readonly Binding[] {
    return this.#found ??= bindings(this.#code);
  }

  /**
   * Compiles a text.
   *
   * @throws {EngineError} as {@link Gpu.createPipeline} does.
   */
  static async create(gpu: Gpu, options: PipelineOptions): Promise<Kernel> {
    return new Kernel(gpu, await gpu.createPipeline(options), options);
  }

  /** Whether the shader has a binding of that name. */
  has(name: string): boolean {
    return this.#bindings.some((each) => each.name === name);
  }

  /**
   * Binds buffers; at load, as it costs more than a dispatch. Every binding of the shader has its
   * buffer, and one that is written is bound nowhere else.
   */
  bind(buffers: NamedBuffers): GPUBindGroup {
    const label = this.#label;
    for (const name of Object.keys(buffers)) {
      invariant(this.has(name), `${name} is a binding of ${label}`);
    }
    const bound = this.#bindings.flatMap(({ name, index, isWritten }) => {
      const buffer = buffers[name];
      if (buffer === null) return [];
      invariant(buffer !== undefined, `binding ${name} of ${label} has a buffer`);
      const resource: BufferSlice = "buffer" in buffer ? buffer : { buffer };
      return [{ name, index, isWritten, resource }];
    });
    for (const { name, isWritten, resource: { buffer } } of bound) {
      const isAlone = bound.every((other) =>
        other.name === name || other.resource.buffer !== buffer
      );
      invariant(!isWritten || isAlone, `what ${label} writes as ${name} is bound once`);
    }
    const entries = bound.map(({ index, resource }) => ({
      binding: index,
      resource: resource as GPUBufferBinding,
    }));
    const layout = this.#pipeline.getBindGroupLayout(0);
    return this.gpu.device.createBindGroup({ layout, entries });
  }

  /** Takes a buffer that only its bindings use: {@link destroy} frees it. */
  own(buffer: GPUBuffer): GPUBuffer {
    this.#owned.push(buffer);
    return buffer;
  }

  /** A uniform of its own that holds one number. */
  ownUniform(name: string, value: number): GPUBuffer {
    return this.own(this.gpu.createUniformWith(`${this.#label} ${name}`, value));
  }

  /** Frees what it owns. */
  destroy(): void {
    for (const buffer of this.#owned.splice(0)) this.gpu.destroyBuffer(buffer);
  }

  /** Encodes a dispatch of `x * y * z` workgroups. */
  dispatch(pass: GPUComputePassEncoder, bound: GPUBindGroup, x: number, y = 1, z = 1): void {
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, bound);
    pass.dispatchWorkgroups(x, y, z);
  }
}
