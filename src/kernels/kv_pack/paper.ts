import range from "../../../shaders/lib/kv_pack_range.wgsl" with { type: "text" };
import source from "../../../shaders/kv_pack/paper.wgsl" with { type: "text" };
import { HAS_TABLE } from "../../codec/deltakv/layout.ts";
import type { PaperLayout } from "../../codec/paper/layout.ts";
import { KEY, VALUE } from "../../codec/record.ts";
import { EngineError } from "../../core/errors.ts";
import { NO_RECORD } from "../../core/row.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { SCRATCH_TEXT, scratchConstants } from "../text/block.ts";

/** Buffers of one arena of {@link KvPackPaperKernel}; scratch as in `codec/scratch.ts`. */
export interface KvPackBuffers {
  /** vec4<u32> `[jobs]`: unused, unused, token count, entry of the scratch buffers. */
  jobs: GPUBuffer | BufferSlice;
  /** Codes of all stores. */
  codes: GPUBuffer | BufferSlice;
  /** Token parameters of all stores. */
  params: GPUBuffer | BufferSlice;
  /** Packed order of all stores. */
  order: GPUBuffer | BufferSlice;
  /** Payload words of each section of all stores, as `kv_measure` wrote them. */
  sizes: GPUBuffer | BufferSlice;
  /** u32 `[jobs][storeCount]`: word offset of each record in its arena, a multiple of 4. */
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

  private constructor(kernel: Kernel, sectionCount: number) {
    this.#kernel = kernel;
    this.#sectionCount = sectionCount;
  }

  /**
   * Compiles for a layout.
   *
   * @param options `head`: words before a record that something else writes, and how many more
   * where the size of its first section has `HAS_TABLE`; none if left out.
   * @throws {EngineError} `adapter_unsupported` if a section does not fit workgroup memory.
   */
  static async create(
    gpu: Gpu,
    options: {
      layout: PaperLayout;
      storeCount: number;
      head?: { flagWords: number; tableWords: number };
    },
  ): Promise<KvPackPaperKernel> {
    const { layout, storeCount, head = { flagWords: 0, tableWords: 0 } } = options;
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
      ...scratchConstants(layout, storeCount),
      PACK_SIZE: layout.packSize,
      KEY_BITS: layout.keyBits,
      VALUE_BITS: layout.valueBits,
      KEY_WIDTH_BITS: layout.widthBits(KEY),
      VALUE_WIDTH_BITS: layout.widthBits(VALUE),
      SECTION_WORDS_MAX: sectionWordsMax,
      NO_RECORD,
      HEAD_WORDS: head.flagWords,
      TABLE_WORDS: head.tableWords,
      HAS_TABLE,
    };
    const code = [source, range, SCRATCH_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "kv_pack/paper", code, constants });
    return new KvPackPaperKernel(kernel, layout.sectionCount);
  }

  /** Binds the buffers for the arena whose first store is `firstStore`. */
  bind(buffers: KvPackBuffers, firstStore: number): GPUBindGroup {
    const { jobs, codes, params, order, sizes, targets, arena } = buffers;
    const storeIndex = this.#kernel.own(this.#kernel.gpu.createBufferWith(
      "kv_pack store",
      Uint32Array.of(firstStore),
    ));
    return this.#kernel.bind({
      jobs,
      codes,
      params,
      order,
      sizes,
      targets,
      first_store: storeIndex,
      arena,
    });
  }

  /** Encodes `jobCount` jobs of the `storeCount` stores of the bound arena. */
  encode(
    pass: GPUComputePassEncoder,
    bound: GPUBindGroup,
    counts: { jobCount: number; storeCount: number },
  ): void {
    this.#kernel.dispatch(pass, bound, this.#sectionCount, counts.storeCount, counts.jobCount);
  }

  /** Frees what its bindings hold beside the caller's buffers. */
  destroy(): void {
    this.#kernel.destroy();
  }
}
