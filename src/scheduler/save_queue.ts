import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { BlockCache, CachedItem } from "./block_cache.ts";
import { sizesOf } from "./block_memory.ts";
import { entrySizeBytes, type HostIndex } from "./host_index.ts";
import type { SaveOp } from "./step_plan.ts";

/** Blocks that are to be copied from the device to the host behind the steps, oldest first. */
export class SaveQueue {
  #cache: BlockCache;
  #host: HostIndex;
  #stepWordCountMax: number;
  #pending = new Set<string>();

  /** @param stepWordCountMax Most words that one step copies; at least those of any block. */
  constructor(cache: BlockCache, host: HostIndex, stepWordCountMax: number) {
    this.#cache = cache;
    this.#host = host;
    this.#stepWordCountMax = stepWordCountMax;
  }

  /** Queues a block that others can use, unless the host has it. */
  note({ key, recordWords }: CachedItem): void {
    if (key === null || this.#host.find(key)) return;
    if (entrySizeBytes({ recordWords }) > this.#host.capacityBytes) return;
    this.#pending.add(key);
  }

  /** Plans the copies of one step. */
  take(): SaveOp[] {
    const ops: SaveOp[] = [];
    let wordCount = 0;
    for (const key of this.#pending) {
      const item = this.#cache.find(key);
      if (item) {
        wordCount += entrySizeBytes(item) / WORD_SIZE_BYTES;
        if (wordCount > this.#stepWordCountMax) break;
        ops.push({ key, kind: item.kind, extents: item.block.extents, ...sizesOf(item) });
      }
      this.#pending.delete(key);
    }
    return ops;
  }

  /** The bytes of these blocks are on the host. */
  commit(ops: readonly SaveOp[]): void {
    for (const op of ops) this.#host.add({ key: op.key, kind: op.kind, ...sizesOf(op) });
  }
}
