/**
 * Taking the blocks of a prompt from the cache, and putting blocks into it from outside: what
 * saving and restoring of sequences needs.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { Extent } from "./allocator.ts";
import { findBeginning, isOnDevice } from "./beginning.ts";
import type { BlockCache, CachedItem } from "./block_cache.ts";
import { ITEM_KINDS } from "./block_key.ts";
import { sizesOf } from "./block_memory.ts";
import type { HostEntry, HostIndex } from "./host_index.ts";
import { Sequence } from "./sequence.ts";
import type { SequenceContext } from "./sequence_context.ts";
import type { LoadOp } from "./step_plan.ts";

/** Which prompt. */
export interface PromptOf {
  promptIds: readonly number[];
  cacheSalt: string;
}

/** A block that is held for a reader: on the device if it has extents, else on the host. */
export interface HeldBlock extends HostEntry {
  extents: readonly Extent[] | null;
}

/** Blocks with which a prompt can begin; they stay until they are given back. */
export interface HeldPrompt {
  /** Tokens that need not be prefilled with them. */
  tokenCount: number;
  /**
   * Sealed ones in order, those that the policy keeps; then near ones, then the raw tiles; then, if
   * the prompt ends with them, what the same prompt needs beside: it begins a block earlier.
   */
  blocks: readonly HeldBlock[];
}

/** See the module. */
export class Shelf {
  #cache: BlockCache;
  #host: HostIndex | null;
  #context: SequenceContext;
  #held = new Map<HeldPrompt, CachedItem[]>();
  #loads: LoadOp[] = [];

  constructor(tiers: { cache: BlockCache; host: HostIndex | null }, context: SequenceContext) {
    this.#cache = tiers.cache;
    this.#host = tiers.host;
    this.#context = context;
  }

  /** Items that are held, for checks. */
  get held(): readonly (readonly CachedItem[])[] {
    return [...this.#held.values()];
  }

  /** Holds the blocks with which this prompt, and a longer one of its tokens, would begin. */
  hold(prompt: PromptOf): HeldPrompt {
    const tiers = { cache: this.#cache, host: this.#host };
    const { boundary, sealed, near, raw } = findBeginning(this.#sequenceOf(prompt, 1), tiers);
    const same = findBeginning(this.#sequenceOf(prompt, 0), tiers);
    const others = same.boundary === boundary - 1 ? [...same.near, ...same.raw] : [];
    const found = [
      ...new Set([...sealed.filter((block) => block !== null), ...near, ...raw, ...others]),
    ];
    const items = found.filter(isOnDevice);
    for (const item of items) this.#cache.acquire(item);
    const blocks = found.map((block): HeldBlock => {
      const extents = isOnDevice(block) ? block.block.extents : null;
      return { key: block.key!, kind: block.kind, ...sizesOf(block), extents };
    });
    const held = { tokenCount: boundary * BLOCK_TOKEN_COUNT, blocks };
    this.#held.set(held, items);
    return held;
  }

  /** Gives back what {@link hold} gave. */
  giveBack(held: HeldPrompt): void {
    for (const item of this.#held.get(held)?.reverse() ?? []) this.#cache.release(item);
    this.#held.delete(held);
  }

  /** Keys under which the blocks of a prompt are found, as {@link HeldPrompt} orders them. */
  keysOf(prompt: PromptOf, tokenCount: number): string[] {
    const sequence = this.#sequenceOf(prompt, 0);
    const boundary = tokenCount / BLOCK_TOKEN_COUNT;
    const sealed = sequence.names.slice(0, sequence.sealedBefore(boundary));
    const behind = (start: number) => [
      ...sequence.near.before(start).map((index) => sequence.keyOf(index, "near")!),
      ...sequence.rawTilesBefore(start).map((index) => sequence.keyOf(index, "raw")!),
    ];
    const isWhole = tokenCount === prompt.promptIds.length;
    const keys = [
      ...[...sealed.keys()].filter((index) => sequence.keeps(index))
        .map((index) => sequence.keyOf(index, "sealed")!),
      ...behind(boundary),
      ...(isWhole ? behind(boundary - 1) : []),
    ];
    return [...new Set(keys)];
  }

  /**
   * Takes memory for blocks whose bytes are in host memory; the next step loads them.
   *
   * @returns False, with nothing changed but unused blocks given up, if they do not fit.
   */
  adopt(entries: readonly HostEntry[]): boolean {
    const found: CachedItem[] = [];
    const added: CachedItem[] = [];
    const loads: LoadOp[] = [];
    for (const entry of entries) {
      const { key, kind } = entry;
      const known = this.#cache.find(key);
      const item = known ?? this.#cache.add(kind, key, sizesOf(entry));
      if (item === null) {
        for (const taken of added) this.#cache.remove(taken);
        for (const taken of found.reverse()) this.#cache.release(taken);
        return false;
      }
      // Held while the others are taken, so that none pushes another one out.
      if (known || kind === "raw") this.#cache.acquire(item);
      (known ? found : added).push(item);
      if (!known) loads.push({ key, target: { extents: item.block.extents } });
    }
    for (const item of [...found, ...added].reverse()) this.#cache.release(item);
    this.#loads.push(...loads);
    return true;
  }

  /** Loads that the next step begins with. */
  takeLoads(): LoadOp[] {
    const loads = this.#loads;
    this.#loads = [];
    return loads;
  }

  /** Gives up the unused blocks of a prompt; returns how many. */
  forget(prompt: PromptOf): number {
    const sequence = this.#sequenceOf(prompt, 0);
    let count = 0;
    for (let index = sequence.names.length - 1; index >= 0; index--) {
      for (const kind of ITEM_KINDS.toReversed()) {
        const key = sequence.keyOf(index, kind)!;
        const item = this.#cache.find(key);
        const isGone = item !== undefined && this.#cache.giveUp(item);
        if (isGone || this.#host?.find(key)) count++;
        this.#host?.drop(key);
      }
    }
    return count;
  }

  #sequenceOf({ promptIds, cacheSalt }: PromptOf, moreTokens: number): Sequence {
    // A token more, since the last token of a prompt is always prefilled.
    const ids = [...promptIds, ...new Array<number>(moreTokens).fill(0)];
    const request = { sequenceId: -1, promptIds: ids, maxTokens: 1, eosIds: [], ignoreEos: true };
    return new Sequence({ ...request, cacheSalt }, { index: -1, step: 0 }, this.#context);
  }
}
