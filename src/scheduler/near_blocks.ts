import { invariant } from "../core/errors.ts";
import type { CachedItem } from "./block_cache.ts";
import type { NearStores } from "./block_memory.ts";

/**
 * What a sequence holds of stores whose rows see their newest tokens only: one run of blocks, from
 * the first that a row of it may still reach to the last that is sealed.
 */
export class NearBlocks {
  /** Whether there are such stores. */
  readonly isKept: boolean;
  #options: { near: NearStores | null; windowBlockCount: number };
  #items = new Map<number, CachedItem>();

  /** @param options `windowBlockCount`: whole blocks that stay raw. */
  constructor(options: { near: NearStores | null; windowBlockCount: number }) {
    this.#options = options;
    this.isKept = options.near !== null;
  }

  /** Those held, in order. */
  get items(): readonly CachedItem[] {
    return [...this.#items.values()];
  }

  /** How many are held. */
  get heldCount(): number {
    return this.#items.size;
  }

  /** The one of a block. */
  at(blockIndex: number): CachedItem | undefined {
    return this.#items.get(blockIndex);
  }

  /** Indexes of the blocks, but the raw ones, that a sequence beginning at `boundary` reads. */
  before(boundary: number): number[] {
    const { near, windowBlockCount } = this.#options;
    if (near === null) return [];
    const first = Math.max(0, boundary - near.blockCount);
    const count = Math.max(0, boundary - windowBlockCount - first);
    return Array.from({ length: count }, (_, index) => first + index);
  }

  /** Most that are held at a time, of a sequence that seals so many. */
  countMax(sealedCount: number): number {
    const { near, windowBlockCount } = this.#options;
    // The newest is taken before the oldest is given back.
    const reachedCount = near === null ? 0 : near.blockCount - windowBlockCount + 1;
    return Math.min(sealedCount, reachedCount);
  }

  /** Adds the next block. */
  add(blockIndex: number, item: CachedItem): void {
    const last = [...this.#items.keys()].at(-1) ?? blockIndex - 1;
    invariant(blockIndex === last + 1, "blocks are held without gaps");
    this.#items.set(blockIndex, item);
  }

  /** Takes those that no row behind a boundary reaches, the deepest first. */
  takePassed(boundary: number): CachedItem[] {
    const first = boundary - (this.#options.near?.blockCount ?? 0);
    const passed = [...this.#items].filter(([blockIndex]) => blockIndex < first).reverse();
    for (const [blockIndex] of passed) this.#items.delete(blockIndex);
    return passed.map(([, item]) => item);
  }

  /** Holds nothing any more. */
  clear(): void {
    this.#items.clear();
  }
}
