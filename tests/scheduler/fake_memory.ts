/** The arenas of a fake device: which block was written where last. */

import { assert, assertEquals } from "@std/assert";
import { type Extent, EXTENT_UNIT_WORDS } from "../../src/scheduler/allocator.ts";
import { NO_RECORD } from "../../src/core/row.ts";
import type { ArenaSize, NearStores } from "../../src/scheduler/block_memory.ts";
import type { Gather } from "../../src/scheduler/keep/compaction.ts";
import type { LinkOp } from "../../src/scheduler/step_plan.ts";
import { BLOCK, withoutChannels } from "./fake_text.ts";

/** How the device behaves beyond executing plans. */
export interface FakeDeviceOptions {
  layerCount: number;
  arenas: readonly ArenaSize[];
  endPeriod: number;
  /** Words of the record of `store` of a block of these tokens. */
  recordWords: (ids: readonly number[], store: number) => number;
  /** Tokens of a block that are kept when it leaves the window, the first ones; all if left out. */
  keptCount?: (blockIndex: number) => number;
  /** Words of the raw tile of a store; with sequences that share blocks. */
  tileWords?: readonly number[];
  /** Whole blocks that stay in the window; 2 if left out. */
  windowBlockCount?: number;
  /** Tiles before their own that rows read in a store that seals nothing; none if left out. */
  longTileCount?: number;
  /** Stores whose rows see their newest blocks only, sealed ones among them; none if left out. */
  near?: NearStores | null;
}

/** Tokens in a tile of a window. */
export interface Tile {
  firstPosition: number;
  ids: number[];
  /** By store, where stores hold different tokens. */
  idsByStore?: readonly (readonly number[])[];
  /** Whether it is the first block of a sequence, whose record has the sinks apart. */
  isFirst?: boolean;
  /** Whether decode rows stored some of it: its bits are then not those of slices. */
  isDecoded: boolean;
}

/** A block in the arenas. */
export interface Packed {
  recordOffsets: readonly number[];
  /** By arena. */
  units: number[][];
  ids: number[];
  idsByStore?: readonly (readonly number[])[];
  isFirst: boolean;
  isDecoded: boolean;
  /** Whether it was loaded for the one sequence that left it on the host. */
  isOwn: boolean;
  serial: number;
}

/** See the file. */
export class FakeMemory {
  #arenas: readonly ArenaSize[];
  /** By arena and unit: serial number of the block written there last. */
  #owners: Uint32Array[];
  #serial = 0;
  #contents = new Map<number, Packed>();
  /** The last one written by where its records begin. */
  #serials = new Map<string, number>();

  constructor(arenas: readonly ArenaSize[]) {
    this.#arenas = arenas;
    this.#owners = arenas.map(({ wordCount }) =>
      new Uint32Array(Math.floor(wordCount / EXTENT_UNIT_WORDS))
    );
  }

  /** The block whose extents these are. */
  at(extents: readonly Extent[]): Packed {
    const group = extents.findIndex(({ wordCount }) => wordCount > 0);
    const serial = this.#owners[group][extents[group].offset / EXTENT_UNIT_WORDS];
    return this.intact(this.#contents.get(serial)!);
  }

  /** Marks the units of records as holding these tokens. */
  write(
    recordOffsets: readonly number[],
    words: readonly number[],
    tile: Omit<Tile, "firstPosition">,
  ): Packed {
    const serial = ++this.#serial;
    const units: number[][] = this.#arenas.map(() => []);
    let store = 0;
    this.#arenas.forEach(({ storeCount, wordCount: capacity }, group) => {
      const end = store + storeCount;
      const start = recordOffsets.slice(store, end).find((offset) => offset !== NO_RECORD) ?? 0;
      let offset = start;
      for (; store < end; store++) {
        if (recordOffsets[store] === NO_RECORD) continue;
        assertEquals(recordOffsets[store], offset);
        offset += words[store];
      }
      assert(offset <= capacity, "the extent lies in the arena");
      for (const unit of unitsOf({ offset: start, wordCount: offset - start })) {
        this.#owners[group][unit] = serial;
        units[group].push(unit);
      }
    });
    const { ids, isDecoded, idsByStore, isFirst = false } = tile;
    const packed: Packed = {
      recordOffsets,
      units,
      ids: [...ids],
      isDecoded,
      isFirst,
      isOwn: false,
      serial,
      ...(idsByStore ? { idsByStore } : {}),
    };
    if (this.#serial % 5000 === 0) this.#dropLost();
    this.#contents.set(serial, packed);
    this.#serials.set(recordOffsets.join(), serial);
    return packed;
  }

  /** Forgets what was overwritten long ago. */
  #dropLost(): void {
    for (const serial of this.#contents.keys()) {
      const isOwner = this.#owners.some((units) => units.includes(serial));
      if (serial < this.#serial - 5000 && !isOwner) {
        this.#contents.delete(serial);
      }
    }
  }

  /** What was written last where records begin. */
  find(recordOffsets: readonly number[]): Packed {
    return this.#contents.get(this.#serials.get(recordOffsets.join())!)!;
  }

  intact(packed: Packed): Packed {
    packed.units.forEach((units, group) => {
      for (const unit of units) {
        const isIntact = this.#owners[group][unit] === packed.serial;
        if (!isIntact) throw new Error("a packed block is intact");
      }
    });
    return packed;
  }

  /** Tokens by store that a block is put together of, read where it says. */
  gather(gather: Gather, sinkCount: number): number[][] {
    const { tokenCounts, sources, sinkRecords, keptChannels } = gather;
    return sources.map((own, store) => {
      const ids = sinkRecords === null || tokenCounts[store] === 0
        ? []
        : this.recordAt(store, sinkRecords[store]).ids.slice(0, sinkCount);
      for (let index = 0; index < own.length; index += 2) {
        const record = this.recordAt(store, own[index]);
        const id = record.ids[own[index + 1] + (record.isFirst ? sinkCount : 0)];
        ids.push(withoutChannels(id, keptChannels?.[store]));
      }
      assertEquals(ids.length, tokenCounts[store]);
      return ids;
    });
  }

  /** The block of which a record is. */
  recordAt(store: number, word: number): Packed {
    const group = this.#groupOf(store);
    for (let unit = Math.floor(word / EXTENT_UNIT_WORDS); unit >= 0; unit--) {
      const found = this.#contents.get(this.#owners[group][unit]);
      if (found?.recordOffsets[store] === word) return this.intact(found);
    }
    throw new Error("a block is gathered from records");
  }

  #groupOf(store: number): number {
    let end = 0;
    return this.#arenas.findIndex(({ storeCount }) => (end += storeCount) > store);
  }
}

function* unitsOf({ offset, wordCount }: { offset: number; wordCount: number }) {
  for (let word = offset; word < offset + wordCount; word += EXTENT_UNIT_WORDS) {
    yield word / EXTENT_UNIT_WORDS;
  }
}

/** Stores that seal and keep all, by index; null for the others. */
export function sealedStores(
  arenas: readonly ArenaSize[],
  near: NearStores | null = null,
): (number | null)[] {
  let first = 0;
  const sealed = arenas.flatMap(({ storeCount, windowStoreCount = 0 }) => {
    const stores = Array.from(
      { length: storeCount },
      (_, index) => index < windowStoreCount ? null : first + index,
    );
    first += storeCount;
    return stores;
  });
  return sealed.map((store) => store !== null && near?.stores.includes(store) ? null : store);
}

/** Tokens of the records of a block, which are the same in all stores. */
export function tokenCountOf({ tokenCounts }: Pick<LinkOp, "tokenCounts">): number {
  const [count = BLOCK, ...others] = tokenCounts ?? [];
  assert(others.every((other) => other === count), "the records of a block are of the same tokens");
  return count;
}

const ARENA_STORE_COUNTS = [2, 1];

/** Words of a raw tile: more than any record. */
const TILE_WORDS = 512;

/** Arenas, and words of a raw tile by store: of window stores they have heads of their own. */
export function storesOf(wordsPerLayer: number, windowStoreCount: number) {
  const arenas = ARENA_STORE_COUNTS.map((storeCount, group) => ({
    storeCount,
    windowStoreCount: group === 0 ? windowStoreCount : 0,
    wordCount: storeCount * wordsPerLayer,
  }));
  const tileWords = Array.from(
    { length: ARENA_STORE_COUNTS.reduce((sum, count) => sum + count, 0) },
    (_, store) => store < windowStoreCount ? TILE_WORDS + 64 : TILE_WORDS,
  );
  return { arenas, tileWords };
}
