import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { bundleCapacityWords, type BundleRoom } from "../kernels/expert_bundles.ts";
import { expertRoom } from "../kernels/expert_matmul/variants.ts";
import type { ModelPlan } from "./plan.ts";

/** What an {@link ExpertGroup} is made for. */
export interface ExpertGroupOptions {
  label: string;
  plan: ModelPlan;
  rowCount: number;
  /** Whether its rows are those of a slice. */
  isSlice: boolean;
}

/** What rows have on their way through experts; a visit is a row with an expert. */
export class ExpertGroup {
  /** f32 `[rows, experts]`. */
  readonly logits: GPUBuffer;
  /** u32 `[rows, used]`. */
  readonly choices: GPUBuffer;
  /** f32 `[rows, used]`. */
  readonly shares: GPUBuffer;
  /** u32 `[bundles][bundleWordCount()]`. */
  readonly bundles: GPUBuffer;
  /** f32 `[visits, rows of down]`. */
  readonly hidden: GPUBuffer;
  /** f32 `[visits, width]`. */
  readonly given: GPUBuffer;
  /** Visits of a bundle at most. */
  readonly room: BundleRoom;
  #gpu: Gpu;
  #up: GPUBuffer | null = null;

  private constructor(gpu: Gpu, options: ExpertGroupOptions) {
    const { label, plan, rowCount, isSlice } = options;
    this.#gpu = gpu;
    const parts = plan.layers.map(({ feedForward }) => feedForward);
    const experts = parts.map((part) => part.experts).filter((each) => each !== null);
    const expertCount = Math.max(...experts.map(({ count }) => count));
    const usedCount = Math.max(...experts.map((each) => each.usedCount));
    const hiddenWidth = Math.max(...parts.map(({ gateUp: [gate] }) => gate.rowCount));
    this.room = expertRoom(gpu.facts, { isSlice, expertCount, usedCount });
    const counts = { expertCount, usedCount, room: this.room };
    const make = (name: string, wordCount: number) =>
      gpu.createBuffer(`${label} ${name}`, wordCount * WORD_SIZE_BYTES);
    const visitCount = rowCount * usedCount;
    this.logits = make("expert logits", rowCount * expertCount);
    this.choices = make("expert choices", visitCount);
    this.shares = make("expert shares", visitCount);
    this.bundles = make("expert bundles", bundleCapacityWords(counts, rowCount));
    this.hidden = make("expert hidden", visitCount * hiddenWidth);
    this.given = make("expert given", visitCount * plan.shape.width);
  }

  /** f32 as `hidden`: what is gated, where it is not made with its gate. */
  get up(): GPUBuffer {
    this.#up ??= this.#gpu.createBuffer("expert up", this.hidden.size);
    return this.#up;
  }

  /** Makes room for `rowCount` rows; null if no layer has experts. */
  static create(gpu: Gpu, options: ExpertGroupOptions): ExpertGroup | null {
    const hasExperts = options.plan.layers.some(({ feedForward }) => feedForward.experts !== null);
    return hasExperts ? new ExpertGroup(gpu, options) : null;
  }

  /** Frees its buffers. */
  destroy(): void {
    if (this.#up !== null) this.#gpu.destroyBuffer(this.#up);
    const { logits, choices, shares, bundles, hidden, given } = this;
    for (const buffer of [logits, choices, shares, bundles, hidden, given]) {
      this.#gpu.destroyBuffer(buffer);
    }
  }
}
