import range from "../../../shaders/lib/kv_pack_range.wgsl" with { type: "text" };
import source from "../../../shaders/kv_pack/paper.wgsl" with { type: "text" };
import type { PaperLayout } from "../../codec/paper/layout.ts";
import { KEY, VALUE } from "../../codec/record.ts";
import { EngineError } from "../../core/errors.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { SCRATCH_TEXT } from "../text/block.ts";

/** Buffers of one arena of {@link KvPackPaperKernel}; scratch as in `codec/scratch.ts`. */
export interface KvPackBuffers {
  /** vec4<u32> `[jobs]`: unused, unused, token count, entry of the scratch buffers. */
  jobs: GPUBuffer | BufferSlice;
  /** Codes of all layers. */
  codes: GPUBuffer | BufferSlice;
  /** Token parameters of all layers. */
  params: GPUBuffer | BufferSlice;
  /** Packed order of all layers. */
  order: GPUBuffer | BufferSlice;
  /** Payload words of each section of all layers, as `kv_measure` wrote them. */
  sizes: GPUBuffer | BufferSlice;
  /** u32 `[jobs][layerCount]`: word offset of each record in its arena, a multiple of 4. */
  targets: GPUBuffer | BufferSlice;
  /** Packed blocks; only the words of the records are written. */
  arena: GPUBuffer | BufferSlice;
}

/** Bytes of workgroup memory beside the image of a section. */
const OTHER_MEMORY_BYTES = BLOCK_TOKEN_COUNT * 4;

/** Writes measured blocks into an arena as whole records. FORMAT.md section 6.4. */
export class KvPackPaperKernel {
  #kernel: Kernel;
  #sectionCount: number;
  /** u32: the layer of each binding. */
  #layerIndexes: GPUBuffer[] = [];

  private constructor(kernel: Kernel, sectionCount: number) {
    this.#kernel = kernel;
    this.#sectionCount = sectionCount;
  }

  /**
   * Compiles for a layout.
   *
   * @throws {EngineError} `adapter_unsupported` if a section does not fit workgroup memory.
   */
  static async create(
    gpu: Gpu,
    options: { layout: PaperLayout; layerCount: number },
  ): Promise<KvPackPaperKernel> {
    const { layout, layerCount } = options;
    const sectionWordsMax = Math.max(
      layout.payloadWord(KEY) + layout.payloadWordsMax(KEY),
      layout.payloadWord(VALUE) + layout.payloadWordsMax(VALUE),
    );
    const needBytes = sectionWordsMax * 4 + OTHER_MEMORY_BYTES;
    const limitBytes = gpu.facts.workgroupMemoryBytesMax;
    if (needBytes > limitBytes) {
      throw new EngineError(
        "adapter_unsupported",
        `Cannot pack heads of ${layout.headSize} channels with codes of ${layout.keyBits} and ` +
          `${layout.valueBits} bits: it takes ${needBytes} bytes of workgroup memory, ` +
          `the adapter has ${limitBytes}`,
      );
    }
    const constants = {
      KV_HEAD_COUNT: layout.kvHeadCount,
      HEAD_SIZE: layout.headSize,
      LAYER_COUNT: layerCount,
      PACK_SIZE: layout.packSize,
      KEY_BITS: layout.keyBits,
      VALUE_BITS: layout.valueBits,
      KEY_WIDTH_BITS: layout.widthBits(KEY),
      VALUE_WIDTH_BITS: layout.widthBits(VALUE),
      SECTION_WORDS_MAX: sectionWordsMax,
    };
    const code = [source, range, SCRATCH_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_pack/paper", code, constants });
    return new KvPackPaperKernel(kernel, layout.sectionCount);
  }

  /** Binds the buffers for the arena whose first layer is `firstLayer`. */
  bind(buffers: KvPackBuffers, firstLayer: number): GPUBindGroup {
    const { jobs, codes, params, order, sizes, targets, arena } = buffers;
    const layerIndex = this.#kernel.gpu.createBufferWith(
      "kv_pack layer",
      Uint32Array.of(firstLayer),
    );
    this.#layerIndexes.push(layerIndex);
    return this.#kernel.bind({
      jobs,
      codes,
      params,
      order,
      sizes,
      targets,
      first_layer: layerIndex,
      arena,
    });
  }

  /** Records `jobCount` jobs of the `layerCount` layers of the bound arena. */
  record(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    counts: { jobCount: number; layerCount: number },
  ): void {
    this.#kernel.dispatch(pass, bound, this.#sectionCount, counts.layerCount, counts.jobCount);
  }

  /** Frees what its bindings hold beside the caller's buffers. */
  destroy(): void {
    for (const buffer of this.#layerIndexes) this.#kernel.gpu.destroyBuffer(buffer);
  }
}
