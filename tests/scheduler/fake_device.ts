/**
 * A device that runs a StepPlan on token ids instead of tensors, and fails if a row would read a
 * token that is not where the plan says. The next token is a hash of all tokens the row can see, so
 * a sequence's text is right only if every one of them was.
 */

import { assert, assertEquals } from "@std/assert";
import { EXTENT_UNIT_WORDS } from "../../src/scheduler/allocator.ts";
import type { ArenaSize } from "../../src/scheduler/block_memory.ts";
import type {
  DecodeRow,
  LinkOp,
  LoadOp,
  PackOp,
  PrefillSlice,
  SaveOp,
  StepPlan,
  StepResult,
  SwapOp,
  TileOp,
  WindowPlace,
} from "../../src/scheduler/step_plan.ts";
import { BLOCK, nextToken, windowBlockAt } from "./fake_text.ts";
import { isOwnKey } from "../../src/scheduler/block_key.ts";

const TILE_COUNT = 4;

interface Tile {
  firstPosition: number;
  ids: number[];
  /** Whether decode rows stored some of it: its bits are then not those of slices. */
  isDecoded: boolean;
}

interface Packed {
  recordOffsets: readonly number[];
  /** By arena. */
  units: number[][];
  ids: number[];
  isDecoded: boolean;
  /** Whether it was loaded for the one sequence that left it on the host. */
  isOwn: boolean;
  serial: number;
}

/** Whose rows read what. */
type Reader = Pick<PrefillSlice, "slot" | "listCount" | "firstWindowBlock">;

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
  /** Tiles before their own that rows read in a store that seals nothing; none if left out. */
  longTileCount?: number;
}

export class FakeDevice {
  #options: FakeDeviceOptions;
  #tiles = new Map<number, Tile[]>();
  /** The same tiles in the longer ring of a store that seals nothing. */
  #longTiles = new Map<number, Tile[]>();
  #sampled = new Map<number, number>();
  /** By slot: read lists, of records and the tokens that are read of each. */
  #directory = new Map<number, { content: Packed; tokenCount: number }[]>();
  /** By arena and unit: serial number of the block written there last. */
  #owners: Uint32Array[];
  #host = new Map<string, Tile & { recordWords: readonly number[] }>();
  #serial = 0;
  #openSlice: [rows: string, nextLayer: number] = ["", 0];
  #contents = new Map<number, Packed>();
  #lastMeasures: StepPlan["measures"] = [];
  #lastRecordWords: number[][] = [];
  #stepIndex = 0;

  constructor(options: FakeDeviceOptions) {
    this.#options = options;
    this.#owners = options.arenas.map(({ wordCount }) =>
      new Uint32Array(Math.floor(wordCount / EXTENT_UNIT_WORDS))
    );
  }

  /** Executes a step in order. */
  run(plan: StepPlan): StepResult {
    assertEquals(plan.stepIndex, this.#stepIndex++);
    for (const { slot } of plan.starts) this.#reset(slot);
    if (plan.swaps.length > 0) assertEquals(plan.starts, []);
    for (const load of plan.loads) this.#load(load);
    for (const swap of plan.swaps) this.#swap(swap);
    for (const key of plan.drops) assert(this.#host.delete(key), "what is dropped is there");
    for (const pack of plan.packs) this.#pack(pack);
    for (const link of plan.links) this.#link(link);
    for (const restore of plan.restores) this.#restore(restore);
    const sampled = new Map<number, number>();
    const draftSamples = new Map<number, number[]>();
    const slots = [...plan.decodes, ...(plan.slice ? [plan.slice] : [])].map(({ slot }) => slot);
    assertEquals(new Set(slots).size, slots.length);
    for (const row of plan.decodes) {
      const { sequenceId, slot, position, knownId, draftIds } = row;
      const ids = [knownId ?? this.#sampled.get(slot)!];
      this.#store(slot, { position, ids, isDecoded: true });
      sampled.set(sequenceId, this.#sample(row, position));
      if (draftIds.length === 0) continue;
      draftSamples.set(sequenceId, this.#sampleDrafts(row));
    }
    if (plan.slice) {
      const { position } = plan.slice;
      const last = position + plan.slice.ids.length - 1;
      assertEquals(Math.floor(position / BLOCK), Math.floor(last / BLOCK));
      this.#checkLayers(plan.slice);
    }
    if (plan.slice?.isComplete) {
      const { sequenceId, slot, position, isLast } = plan.slice;
      const last = position + plan.slice.ids.length - 1;
      this.#store(slot, { position, ids: plan.slice.ids, isDecoded: false });
      const id = this.#sample(plan.slice, last);
      if (isLast) sampled.set(sequenceId, id);
    }
    for (const keep of plan.keeps) this.#keep(keep);
    if (plan.measures.length > 0) this.#measure(plan.measures);
    for (const save of plan.saves) this.#save(save);
    const recordWords = plan.measures.length > 0 ? this.#lastRecordWords : [];
    const { keptCount } = this.#options;
    const counts = keptCount && {
      tokenCounts: plan.measures.map(({ blockIndex }, job) =>
        recordWords[job].map(() => keptCount(blockIndex))
      ),
    };
    return { ids: sampled, draftSamples, recordWords, refused: [], ...counts };
  }

  /** Layers follow those of the step before, of the same rows. */
  #checkLayers({ slot, position, ids, listCount, layers, isComplete }: PrefillSlice): void {
    assertEquals(isComplete, layers.end === this.#options.layerCount);
    assert(layers.first < layers.end, "a step runs a layer");
    const rows = JSON.stringify([slot, position, ids, listCount]);
    if (layers.first > 0) assertEquals([rows, layers.first], this.#openSlice);
    this.#openSlice = [rows, layers.end];
  }

  #measure(measures: StepPlan["measures"]): void {
    this.#lastMeasures = measures;
    this.#lastRecordWords = measures.map(({ slot, blockIndex }) => {
      const tile = this.#tile(slot, blockIndex);
      assertEquals(tile.ids.length, BLOCK);
      const storeCount = this.#options.arenas.reduce((sum, arena) => sum + arena.storeCount, 0);
      return Array.from(
        { length: storeCount },
        (_, store) => this.#options.recordWords(tile.ids, store),
      );
    });
  }

  #reset(slot: number): void {
    this.#tiles.set(slot, []);
    this.#longTiles.set(slot, []);
    this.#directory.set(slot, []);
  }

  #pack(pack: PackOp): void {
    const { slot, blockIndex, listIndex, jobIndex, extents, recordOffsets } = pack;
    const measure = this.#lastMeasures[jobIndex];
    assertEquals([measure?.slot, measure?.blockIndex], [slot, blockIndex]);
    assertEquals(this.#directory.get(slot)!.length, listIndex);
    const words = this.#lastRecordWords[jobIndex];
    this.#options.arenas.forEach(({ wordCount }, group) => {
      const { offset, wordCount: taken } = extents[group];
      assert(offset + taken <= wordCount, "the extent lies in the arena");
    });
    const content = this.#write(recordOffsets, words, this.#tile(slot, blockIndex));
    this.#directory.get(slot)!.push({ content, tokenCount: tokenCountOf(pack) });
  }

  /** A block that lies in the arena is put behind those of a slot. */
  #link(link: LinkOp): void {
    const { slot, listIndex, recordOffsets } = link;
    assertEquals(this.#directory.get(slot)!.length, listIndex);
    const found = this.#find(recordOffsets);
    assert(found.isOwn || !found.isDecoded, "what is shared was prefilled");
    this.#directory.get(slot)!.push({ content: found, tokenCount: tokenCountOf(link) });
  }

  #save({ key, extents, recordWords }: SaveOp): void {
    const serial = this.#owners[0][extents[0].offset / EXTENT_UNIT_WORDS];
    const { ids, isDecoded } = this.#intact(this.#contents.get(serial)!);
    this.#host.set(key, { firstPosition: 0, ids, isDecoded, recordWords });
  }

  #swap({ key, source, recordWords, kind }: SwapOp): void {
    assert(!this.#host.has(key), "what the host has is not copied again");
    if ("extents" in source) return this.#save({ key, kind, recordWords, ...source });
    const { ids, isDecoded } = this.#longTile(source.slot, source.blockIndex);
    assertEquals(ids.length, BLOCK);
    this.#host.set(key, { firstPosition: 0, ids: [...ids], isDecoded, recordWords });
  }

  #load({ key, target }: LoadOp): void {
    const tile = this.#host.get(key);
    assert(tile, "what is loaded is on the host");
    if ("slot" in target) {
      this.#place(target, tile);
      return;
    }
    const offsets: number[] = [];
    this.#options.arenas.forEach(({ storeCount }, group) => {
      let { offset } = target.extents[group];
      for (let index = 0; index < storeCount; index++) {
        offsets.push(offset);
        offset += tile.recordWords[offsets.length - 1];
      }
    });
    this.#write(offsets, tile.recordWords, tile).isOwn = isOwnKey(key);
  }

  #keep({ slot, blockIndex, recordOffsets }: TileOp): void {
    const tile = this.#tile(slot, blockIndex);
    assertEquals([tile.ids.length, tile.isDecoded], [BLOCK, false]);
    this.#write(
      recordOffsets,
      recordOffsets.map((_, store) => this.#options.tileWords?.[store] ?? 0),
      tile,
    );
  }

  #restore({ recordOffsets, ...place }: TileOp): void {
    const { ids } = this.#intact(this.#find(recordOffsets));
    this.#place(place, { ids, isDecoded: false });
  }

  #place(
    { slot, blockIndex, inLongRingsOnly }: WindowPlace,
    { ids, isDecoded }: Pick<Tile, "ids" | "isDecoded">,
  ): void {
    const copy = () => ({ firstPosition: blockIndex * BLOCK, ids: [...ids], isDecoded });
    this.#longTiles.get(slot)![blockIndex % this.#longRingSize] = copy();
    if (!inLongRingsOnly) this.#tiles.get(slot)![blockIndex % TILE_COUNT] = copy();
  }

  get #longRingSize(): number {
    return 2 + Math.max(2, this.#options.longTileCount ?? 0);
  }

  /** Marks the units of records as holding these tokens. */
  #write(recordOffsets: readonly number[], words: readonly number[], tile: Tile): Packed {
    const serial = ++this.#serial;
    const units: number[][] = this.#options.arenas.map(() => []);
    let store = 0;
    this.#options.arenas.forEach(({ storeCount }, group) => {
      let offset = recordOffsets[store];
      const start = offset;
      for (const end = store + storeCount; store < end; store++) {
        assertEquals(recordOffsets[store], offset);
        offset += words[store];
      }
      for (const unit of unitsOf({ offset: start, wordCount: offset - start })) {
        this.#owners[group][unit] = serial;
        units[group].push(unit);
      }
    });
    const { ids, isDecoded } = tile;
    const packed = { recordOffsets, units, ids: [...ids], isDecoded, isOwn: false, serial };
    if (this.#serial % 5000 === 0) this.#dropLost();
    this.#contents.set(serial, packed);
    return packed;
  }

  /** Forgets what was overwritten long ago. */
  #dropLost(): void {
    for (const serial of this.#contents.keys()) {
      if (serial < this.#serial - 5000 && !this.#owners[0].includes(serial)) {
        this.#contents.delete(serial);
      }
    }
  }

  /** What was written last where records begin. */
  #find(recordOffsets: readonly number[]): Packed {
    const serial = this.#owners[0][recordOffsets[0] / EXTENT_UNIT_WORDS];
    const packed = this.#contents.get(serial)!;
    assertEquals(packed.recordOffsets, recordOffsets);
    return packed;
  }

  #intact(packed: Packed): Packed {
    packed.units.forEach((units, group) => {
      for (const unit of units) {
        const isIntact = this.#owners[group][unit] === packed.serial;
        if (!isIntact) throw new Error("a packed block is intact");
      }
    });
    return packed;
  }

  #store(
    slot: number,
    { position, ids, isDecoded }: { position: number; ids: readonly number[]; isDecoded: boolean },
  ): void {
    const blockIndex = Math.floor(position / BLOCK);
    if (position % BLOCK === 0) this.#place({ slot, blockIndex }, { ids: [], isDecoded });
    for (const tile of [this.#tile(slot, blockIndex), this.#longTile(slot, blockIndex)]) {
      // Wrong guesses are overwritten.
      assert(tile.ids.length >= position % BLOCK, "the tokens before are there");
      assert(isDecoded || tile.ids.length === position % BLOCK, "a slice overwrites nothing");
      tile.ids.splice(position % BLOCK, Infinity, ...ids);
      tile.isDecoded ||= isDecoded;
    }
  }

  #tile(slot: number, blockIndex: number): Tile {
    const tile = this.#tiles.get(slot)![blockIndex % TILE_COUNT];
    assertEquals(tile.firstPosition, blockIndex * BLOCK);
    return tile;
  }

  #longTile(slot: number, blockIndex: number): Tile {
    const tile = this.#longTiles.get(slot)![blockIndex % this.#longRingSize];
    assertEquals(tile?.firstPosition, blockIndex * BLOCK);
    return tile;
  }

  /** Layers that keep a longer window find the same tokens there. */
  #checkLongRing(slot: number, position: number, visible: readonly number[]): void {
    const { longTileCount, keptCount } = this.#options;
    if (longTileCount === undefined) return;
    assertEquals(keptCount, undefined, "all tokens are visible");
    const end = Math.floor(position / BLOCK);
    const first = Math.max(0, end - longTileCount);
    const recent: number[] = [];
    for (let index = first; index <= end; index++) recent.push(...this.#longTile(slot, index).ids);
    assertEquals(recent, visible.slice(first * BLOCK));
  }

  /** Stores guesses and samples after each; they complete no block. */
  #sampleDrafts(row: DecodeRow): number[] {
    const { slot, position, draftIds } = row;
    const samples = draftIds.map((id, index) => {
      this.#store(slot, { position: position + 1 + index, ids: [id], isDecoded: true });
      return this.#sample(row, position + 1 + index);
    });
    assert((position + 1) % BLOCK > 0 && (position + draftIds.length + 1) % BLOCK > 0);
    assertEquals(Math.floor(position / BLOCK), Math.floor((position + draftIds.length) / BLOCK));
    this.#sampled.delete(slot); // the host says what comes next
    return samples;
  }

  /** Reads all tokens visible at `position` as attention does, and samples. */
  #sample({ slot, listCount, firstWindowBlock }: Reader, position: number): number {
    const packed = this.#directory.get(slot)!;
    assertEquals(listCount, packed.length);
    assertEquals(firstWindowBlock, windowBlockAt(position));
    const { keptCount = () => BLOCK } = this.#options;
    const kept = Array.from({ length: firstWindowBlock }, (_, block) => keptCount(block));
    assertEquals(listCount, kept.filter((count) => count > 0).length);
    const visible: number[] = [];
    for (const { content, tokenCount } of packed) {
      visible.push(...this.#intact(content).ids.slice(0, tokenCount));
    }
    const tileEnd = Math.floor(position / BLOCK);
    for (let index = firstWindowBlock; index <= tileEnd; index++) {
      visible.push(...this.#tile(slot, index).ids);
    }
    const keptTokenCount = kept.reduce((sum, count) => sum + count, 0);
    assertEquals(visible.length, position + 1 - firstWindowBlock * BLOCK + keptTokenCount);
    this.#checkLongRing(slot, position, visible);
    const id = nextToken(visible, this.#options.endPeriod);
    this.#sampled.set(slot, id);
    return id;
  }
}

function tokenCountOf({ tokenCounts }: Pick<LinkOp, "tokenCounts">): number {
  const [count = BLOCK, ...others] = tokenCounts ?? [];
  assert(others.every((other) => other === count), "the records of a block are of the same tokens");
  return count;
}

function* unitsOf({ offset, wordCount }: { offset: number; wordCount: number }) {
  for (let word = offset; word < offset + wordCount; word += EXTENT_UNIT_WORDS) {
    yield word / EXTENT_UNIT_WORDS;
  }
}
