import { packJobWords } from "../../codec/scratch.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import type { SealedPack } from "../block_sealer.ts";
import type { KvCache } from "../kv_cache.ts";
import { JOB_WORDS, slotBuffer } from "../seal_scratch.ts";

/** The jobs of `kv_pack/paper`: the blocks that a step packs. */
export class PaperPackJobs {
  /** Jobs, and by job and store where the record goes. */
  readonly buffers: { jobs: GPUBuffer; targets: GPUBuffer };
  #gpu: Gpu;

  /** Makes the buffers, for a block of each slot. */
  constructor(gpu: Gpu, options: { cache: KvCache }) {
    this.#gpu = gpu;
    this.buffers = {
      jobs: slotBuffer(gpu, options, ["pack jobs", JOB_WORDS]),
      targets: slotBuffer(gpu, options, ["targets", options.cache.sealed.length]),
    };
  }

  /** Writes the jobs of a step. */
  write(packs: readonly SealedPack[]): void {
    const jobs = packs.map(({ scratchIndex }) => {
      return { slot: 0, tile: 0, tokenCount: BLOCK_TOKEN_COUNT, scratchIndex };
    });
    this.#gpu.write(this.buffers.jobs, 0, packJobWords(jobs));
    const targets = Uint32Array.from(packs.flatMap((each) => each.targets));
    this.#gpu.write(this.buffers.targets, 0, targets);
  }

  /** Frees the buffers. */
  destroy(): void {
    for (const buffer of Object.values(this.buffers)) this.#gpu.destroyBuffer(buffer);
  }
}
