import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { AdapterFacts, Gpu } from "../gpu/gpu.ts";
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
    const { label, plan: { shape: { queryHeadCount } } } = options;
    this.#gpu = gpu;
    this.#headCount = queryHeadCount;
    const { room, words } = sizesOf(gpu.facts, options);
    const make = (name: string, wordCount: number) =>
      gpu.createBuffer(`${label} ${name}`, wordCount * WORD_SIZE_BYTES);
    this.queryLatent = make("query latents", words.queryLatent);
    this.content = make("content queries", words.content);
    this.turned = make("turned queries", words.turned);
    this.absorbed = make("absorbed queries", words.absorbed);
    this.latent = make("latents", words.latent);
    this.values = make("values", words.values);
    this.room = room;
    this.bundles = make("head bundles", words.bundles);
  }

  /** Bytes of the buffers of a group; 0 if layers keep keys and values. */
  static sizeBytes(facts: AdapterFacts, options: Omit<ExpertGroupOptions, "label">): number {
    const [{ attention: { latent } }] = options.plan.layers;
    if (latent === null) return 0;
    const { words } = sizesOf(facts, options);
    return Object.values(words).reduce((sum, count) => sum + count, 0) * WORD_SIZE_BYTES;
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

/** Words of each buffer, and the rows that a bundle has room for. */
function sizesOf(
  facts: AdapterFacts,
  { plan: { layers, shape: { queryHeadCount } }, rowCount, isSlice }: Omit<
    ExpertGroupOptions,
    "label"
  >,
) {
  const plans = layers.map(({ attention }) => attention.latent).filter((each) => each !== null);
  const [{ rank, turnedSize, contentSize, valueSize, queryDown }] = plans;
  const counts = { expertCount: queryHeadCount, usedCount: queryHeadCount };
  const room = expertRoom(facts, { isSlice, ...counts });
  const words = {
    queryLatent: rowCount * (queryDown?.matrix.rowCount ?? 1),
    content: rowCount * queryHeadCount * contentSize,
    turned: rowCount * queryHeadCount * turnedSize,
    absorbed: rowCount * queryHeadCount * rank,
    latent: rowCount * (rank + turnedSize),
    values: rowCount * queryHeadCount * valueSize,
    bundles: bundleCapacityWords({ ...counts, room }, rowCount),
  };
  return { room, words };
}
