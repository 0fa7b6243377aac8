import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import {
  bundleCapacityWords,
  type BundleRoom,
  headBundleWords,
} from "../kernels/expert_bundles.ts";
import { expertRoom } from "../kernels/expert_matmul/variants.ts";
import type { ExpertGroupOptions } from "./expert_group.ts";

/** What rows have on their way to latents and back. */
export class LatentGroup {
  /** f32 `[rows, queryRank]`: what queries are made of. */
  readonly queryLatent: GPUBuffer;
  /** f32 `[rows, queryHeadCount, contentSize]`. */
  readonly content: GPUBuffer;
  /** f32 `[rows, queryHeadCount, turnedSize]`. */
  readonly turned: GPUBuffer;
  /** f32 `[rows, queryHeadCount, rank]`. */
  readonly absorbed: GPUBuffer;
  /** f32 `[rows, rank + turnedSize]`. */
  readonly latent: GPUBuffer;
  /** f32 `[rows, queryHeadCount, valueSize]`: what values give. */
  readonly values: GPUBuffer;
  /** u32 `[bundles][bundleWordCount()]`: a query head is an expert that all rows go through. */
  readonly bundles: GPUBuffer;
  /** Rows of a bundle at most. */
  readonly room: BundleRoom;
  #gpu: Gpu;
  #headCount: number;
  /** Rows that the bundles are of. */
  #bundledCount = 0;

  private constructor(gpu: Gpu, options: ExpertGroupOptions) {
    const { label, plan: { layers, shape: { queryHeadCount } }, rowCount, isSlice } = options;
    this.#gpu = gpu;
    this.#headCount = queryHeadCount;
    const plans = layers.map(({ attention }) => attention.latent).filter((each) => each !== null);
    const [{ rank, turnedSize, contentSize, valueSize, queryDown }] = plans;
    const make = (name: string, valuesPerRow: number) =>
      gpu.createBuffer(`${label} ${name}`, rowCount * valuesPerRow * WORD_SIZE_BYTES);
    this.queryLatent = make("query latents", queryDown?.matrix.rowCount ?? 1);
    this.content = make("content queries", queryHeadCount * contentSize);
    this.turned = make("turned queries", queryHeadCount * turnedSize);
    this.absorbed = make("absorbed queries", queryHeadCount * rank);
    this.latent = make("latents", rank + turnedSize);
    this.values = make("values", queryHeadCount * valueSize);
    const counts = { expertCount: queryHeadCount, usedCount: queryHeadCount };
    this.room = expertRoom(gpu.facts, { isSlice, ...counts });
    const wordCount = bundleCapacityWords({ ...counts, room: this.room }, rowCount);
    this.bundles = gpu.createBuffer(`${label} head bundles`, wordCount * WORD_SIZE_BYTES);
  }

  /** Makes room for `rowCount` rows; null if layers keep keys and values. */
  static create(gpu: Gpu, options: ExpertGroupOptions): LatentGroup | null {
    const [{ attention: { latent } }] = options.plan.layers;
    return latent === null ? null : new LatentGroup(gpu, options);
  }

  /** Queues which rows go through each head together. */
  write(rowCount: number): void {
    if (rowCount === this.#bundledCount) return;
    this.#bundledCount = rowCount;
    this.#gpu.write(this.bundles, 0, headBundleWords(this.#headCount, rowCount, this.room));
  }

  /** Frees its buffers. */
  destroy(): void {
    const { queryLatent, content, turned, absorbed, latent, values, bundles } = this;
    for (const buffer of [queryLatent, content, turned, absorbed, latent, values, bundles]) {
      this.#gpu.destroyBuffer(buffer);
    }
  }
}
