/**
 * What outsiders may know of the blocks in the cache: which came, which went, and where. Only of
 * blocks that any request can find: those of a salt are known to who has the salt.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import { isSharedKey, kindOfKey } from "./block_key.ts";

/** Where a block can lie: on the device, in host memory, in files, in a store of servers. */
export type Medium = "gpu" | "cpu" | "disk" | "store";

/** Something that happened to a sealed block. */
export type BlockEvent =
  | {
    type: "stored";
    medium: Medium;
    /** 32 hexadecimal digits that stand for all tokens up to the block's end. */
    name: string;
    /** Of the block before it; null for the first one. */
    parentName: string | null;
    tokenIds: readonly number[];
  }
  | { type: "removed"; medium: Medium; name: string };

/** Hears which keys of blocks come to one medium, and which go. */
export interface BlockWatcher {
  added(key: string): void;
  removed(key: string): void;
}

/** Hears nothing. */
export const NO_WATCHER: BlockWatcher = { added() {}, removed() {} };

interface KnownBlock {
  parentName: string | null;
  tokenIds: readonly number[];
  media: Set<Medium>;
}

/** Blocks that lie nowhere and are still described: those of prompts that are being read. */
const ABSENT_COUNT_MAX = 16_384;

/** Collects the events of all media. */
export class BlockEventLog {
  #known = new Map<string, KnownBlock>();
  #absentCount = 0;
  #events: BlockEvent[] = [];
  /** Called when there is an event again after {@link drain}. */
  onFirst: () => void = () => {};

  /**
   * Says which tokens the blocks of a prompt stand for; of a block that nobody described nothing is
   * reported.
   *
   * @param names Of its blocks, in order.
   * @param ids At least the tokens of these blocks.
   */
  describe(names: readonly string[], ids: readonly number[]): void {
    names.forEach((name, index) => {
      if (this.#known.has(name)) return;
      const start = index * BLOCK_TOKEN_COUNT;
      const tokenIds = ids.slice(start, start + BLOCK_TOKEN_COUNT);
      const parentName = index === 0 ? null : names[index - 1];
      this.#known.set(name, { parentName, tokenIds, media: new Set() });
      this.#absentCount++;
    });
    if (this.#absentCount > ABSENT_COUNT_MAX) this.#forgetAbsent(names);
  }

  /** What hears of the blocks of a medium. */
  watcher(medium: Medium): BlockWatcher {
    return {
      added: (key) => this.#change(key, medium, true),
      removed: (key) => this.#change(key, medium, false),
    };
  }

  /** Takes the events since the last call, oldest first. */
  drain(): BlockEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #change(key: string, medium: Medium, isThere: boolean): void {
    if (!isSharedKey(key) || kindOfKey(key) !== "sealed") return;
    const name = key.slice(0, key.indexOf("."));
    const block = this.#known.get(name);
    if (block === undefined || block.media.has(medium) === isThere) return;
    if (isThere) {
      if (block.media.size === 0) this.#absentCount--;
      block.media.add(medium);
      const { parentName, tokenIds } = block;
      this.#push({ type: "stored", medium, name, parentName, tokenIds });
    } else {
      block.media.delete(medium);
      if (block.media.size === 0) this.#known.delete(name);
      this.#push({ type: "removed", medium, name });
    }
  }

  #push(event: BlockEvent): void {
    this.#events.push(event);
    if (this.#events.length === 1) this.onFirst();
  }

  #forgetAbsent(kept: readonly string[]): void {
    const wanted = new Set(kept);
    for (const [name, { media }] of this.#known) {
      if (media.size > 0 || wanted.has(name)) continue;
      this.#known.delete(name);
      this.#absentCount--;
    }
  }
}
