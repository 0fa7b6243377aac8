import source from "../../../shaders/embed/row.wgsl" with { type: "text" };
import { invariant } from "../../core/errors.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { ROW_TEXT } from "../text/row.ts";
import { WEIGHT_FORMATS } from "../weight_formats.ts";
import type { DeviceWeights } from "../weight_layout.ts";

/** Buffers of one use of {@link EmbedKernel}. */
export interface EmbedBuffers {
  /** u32 token ids; what they index is below the rows of the weight. */
  ids: GPUBuffer | BufferSlice;
  /** u32 `[rows][ROW_WORDS]`. */
  rows: GPUBuffer | BufferSlice;
  /** f32 `[rows, columnCount]`. */
  x: GPUBuffer | BufferSlice;
}

/** Bind groups of one use, one per part of the weight. */
export type BoundEmbed = readonly GPUBindGroup[];

/** `x[row] = weight[ids[rows[row].id_index]]`, expanded to f32. */
export class EmbedKernel {
  #gpu: Gpu;
  #weights: DeviceWeights;
  /** One per part of the weight. */
  #pipelines: GPUComputePipeline[];

  private constructor(gpu: Gpu, weights: DeviceWeights, pipelines: GPUComputePipeline[]) {
    this.#gpu = gpu;
    this.#weights = weights;
    this.#pipelines = pipelines;
  }

  /** Compiles for one embedding, `[vocabulary, columns]`. */
  static async create(gpu: Gpu, weights: DeviceWeights): Promise<EmbedKernel> {
    const pipelines: GPUComputePipeline[] = [];
    for (const { format, rowStart, rowCount } of weights.parts) {
      const code = [source, WEIGHT_FORMATS[format].text, ROW_TEXT].join("\n");
      const constants = {
        COLUMN_COUNT: weights.columnCount,
        PART_START: rowStart,
        PART_COUNT: rowCount,
      };
      pipelines.push(await gpu.createPipeline({ label: "embed", code, constants }));
    }
    return new EmbedKernel(gpu, weights, pipelines);
  }

  /** Binds buffers; do it at load, not in the step loop. */
  bind({ ids, rows, x }: EmbedBuffers): BoundEmbed {
    invariant(ids !== x && rows !== x, "x aliases no input");
    return this.#pipelines.map((pipeline, index) => {
      const { words, scales } = this.#weights.parts[index];
      const byBinding = [words, scales, ids, rows, x];
      const entries: GPUBindGroupEntry[] = [];
      for (const [binding, buffer] of byBinding.entries()) {
        if (buffer === null) continue;
        const resource = "buffer" in buffer ? buffer : { buffer };
        entries.push({ binding, resource: resource as GPUBufferBinding });
      }
      const layout = pipeline.getBindGroupLayout(0);
      return this.#gpu.device.createBindGroup({ layout, entries });
    });
  }

  /** Records `rowCount` rows. */
  record(pass: GPUComputePassEncoder, bound: BoundEmbed, rowCount: number): void {
    for (const [index, pipeline] of this.#pipelines.entries()) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bound[index]);
      pass.dispatchWorkgroups(rowCount);
    }
  }
}
