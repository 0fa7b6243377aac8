/** What a fake device reads of stores whose rows see their newest blocks only. */

import { assert, assertEquals } from "@std/assert";
import { NO_RECORD } from "../../src/core/row.ts";
import type { ItemKind } from "../../src/scheduler/block_key.ts";
import type { NearStores } from "../../src/scheduler/block_memory.ts";
import type { FakeDeviceOptions, FakeMemory, Packed } from "./fake_memory.ts";
import { BLOCK, nearBlockAt, windowBlockAt } from "./fake_text.ts";

/** Their read lists, by slot and block. */
export class FakeNear {
  #near: NearStores | null;
  #windowBlockCount: number;
  #memory: FakeMemory;
  #lists = new Map<number, Map<number, Packed>>();

  constructor(
    { near = null, windowBlockCount = 2 }: Pick<FakeDeviceOptions, "near" | "windowBlockCount">,
    memory: FakeMemory,
  ) {
    this.#near = near;
    this.#windowBlockCount = windowBlockCount;
    this.#memory = memory;
  }

  /** A slot begins anew. */
  reset(slot: number): void {
    this.#lists.set(slot, new Map());
  }

  /** Puts a block into the list of a slot. */
  set(slot: number, blockIndex: number, content: Packed): void {
    this.#lists.get(slot)!.set(blockIndex, content);
  }

  /** Offsets of records of one kind. */
  offsetsOf(kind: ItemKind, offsets: readonly number[]): number[] {
    const near = this.#near?.stores ?? [];
    return offsets.map((offset, store) =>
      kind === "raw" || near.includes(store) === (kind === "near") ? offset : NO_RECORD
    );
  }

  /** Offsets of the records that stay, and of those that do not; null if there are none. */
  partsOf(offsets: readonly number[]): Record<"stays" | "near", number[] | null> {
    const [stays, near] = (["sealed", "near"] as const).map((kind) => {
      const own = this.offsetsOf(kind, offsets);
      return own.every((offset) => offset === NO_RECORD) ? null : own;
    });
    return { stays, near };
  }

  /** Tokens of blocks that a row at `position` reads, which must lie where they were written. */
  ids(slot: number, position: number): number[] {
    if (this.#near === null) return [];
    const ids: number[] = [];
    const end = windowBlockAt(position, this.#windowBlockCount);
    for (let block = nearBlockAt(position, this.#near.blockCount); block < end; block++) {
      const content = this.#lists.get(slot)!.get(block);
      assert(content, "what a row reaches is in its list");
      assertEquals(this.#memory.intact(content).ids.length, BLOCK);
      ids.push(...content.ids);
    }
    return ids;
  }
}
