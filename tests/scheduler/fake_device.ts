/**
 * A device that runs a StepPlan on token ids instead of tensors, and fails if a row would read a
 * token that is not where the plan says. The next token is a hash of all tokens the row can see, so
 * a sequence's text is right only if every one of them was.
 */

import { assert, assertEquals } from "@std/assert";
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
import type { Gather } from "../../src/scheduler/keep/compaction.ts";
import { BLOCK, fakeScores, nextToken, PACKING, windowBlockAt } from "./fake_text.ts";
import {
  type FakeDeviceOptions,
  FakeMemory,
  type Packed,
  sealedStores,
  type Tile,
  tokenCountOf,
} from "./fake_memory.ts";
import { FakeNear } from "./fake_near.ts";
import { isOwnKey, kindOfKey } from "../../src/scheduler/block_key.ts";

/** Whose rows read what. */
type Reader = Pick<PrefillSlice, "slot" | "listCount" | "firstWindowBlock">;

export class FakeDevice {
  #options: FakeDeviceOptions;
  #tiles = new Map<number, Tile[]>();
  /** The same tiles in the longer ring of a store that seals nothing. */
  #longTiles = new Map<number, Tile[]>();
  #sampled = new Map<number, number>();
  /** By slot: read lists, of records and the tokens that are read of each. */
  #directory = new Map<number, { content: Packed; tokenCount: number }[]>();
  #near: FakeNear;
  #host = new Map<string, Tile & { recordWords: readonly number[] }>();
  #openSlice: [rows: string, nextLayer: number] = ["", 0];
  #memory: FakeMemory;
  #lastMeasures: StepPlan["measures"] = [];
  #lastRecordWords: number[][] = [];
  /** What the last measures that gather put together, by job. */
  #gathered = new Map<number, Pick<Tile, "ids" | "idsByStore" | "isDecoded" | "isFirst">>();
  /** Positions observed of the prompt being read, by slot. */
  #observed = new Map<number, number[]>();
  #stepIndex = 0;

  constructor(options: FakeDeviceOptions) {
    this.#options = options;
    this.#memory = new FakeMemory(options.arenas);
    this.#near = new FakeNear(options, this.#memory);
  }

  /** Executes a step in order. */
  run(plan: StepPlan): StepResult {
    assertEquals(plan.stepIndex, this.#stepIndex++);
    for (const { slot } of plan.starts) this.#reset(slot);
    if (plan.swaps.length > 0) assertEquals(plan.starts, []);
    for (const load of plan.loads) this.#load(load);
    for (const key of plan.drops) assert(this.#host.delete(key), "what is dropped is there");
    // Copies arrive once the step is read, behind what was dropped when it was planned.
    for (const swap of plan.swaps) this.#swap(swap);
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
    const scores = plan.slice ? this.#observe(plan.slice) : {};
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
    const gathers = plan.measures.some(({ gather }) => gather) && {
      tokenCounts: plan.measures.map(({ gather }, job) =>
        gather?.tokenCounts ?? recordWords[job].map(() => BLOCK)
      ),
    };
    return {
      ids: sampled,
      draftSamples,
      recordWords,
      refused: [],
      ...counts,
      ...gathers,
      ...scores,
    };
  }

  /** Notes the rows whose attention is summed up; scores behind the last. */
  #observe({ slot, position, ids, observed, isComplete, isLast }: PrefillSlice) {
    if (!observed || !isComplete) return {};
    const { firstRow, isFirst, queryCount } = observed;
    const before = isFirst ? [] : this.#observed.get(slot)!;
    const rows = ids.slice(firstRow).map((_, index) => position + firstRow + index);
    this.#observed.set(slot, [...before, ...rows]);
    if (!isLast) return {};
    const end = position + ids.length;
    const count = Math.min(queryCount, end);
    const wanted = Array.from({ length: count }, (_, index) => end - count + index);
    assertEquals(this.#observed.get(slot), wanted, "the last queries are observed, each once");
    const scores = this.#sealedStores.map((store) =>
      store === null ? null : fakeScores(this.#promptOf(slot, end), store)
    );
    return { scores };
  }

  /** All tokens of a slot, before any is dropped. */
  #promptOf(slot: number, end: number): number[] {
    const packed = this.#directory.get(slot)!.flatMap(({ content }) => content.ids);
    const rest: number[] = [];
    for (let block = packed.length / BLOCK; block * BLOCK < end; block++) {
      rest.push(...this.#tile(slot, block).ids);
    }
    return [...packed, ...rest];
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
    this.#gathered.clear();
    this.#lastRecordWords = measures.map(({ slot, blockIndex, gather }, job) => {
      if (gather) return this.#gather(job, blockIndex, gather);
      const tile = this.#tile(slot, blockIndex);
      assertEquals(tile.ids.length, BLOCK);
      const storeCount = this.#options.arenas.reduce((sum, arena) => sum + arena.storeCount, 0);
      return Array.from(
        { length: storeCount },
        (_, store) => this.#options.recordWords(tile.ids, store),
      );
    });
  }

  /** Puts a block together of tokens of others; the words of its records. */
  #gather(job: number, blockIndex: number, gather: Gather): number[] {
    const idsByStore = this.#memory.gather(gather, PACKING.sinkCount);
    // What is made of a prompt belongs to one sequence, as what it decodes does.
    const isFirst = blockIndex === 0;
    this.#gathered.set(job, { ids: [...idsByStore[0]], idsByStore, isDecoded: true, isFirst });
    return idsByStore.map((ids, store) =>
      ids.length === 0 ? 0 : this.#options.recordWords(ids, store)
    );
  }

  #reset(slot: number): void {
    this.#tiles.set(slot, []);
    this.#longTiles.set(slot, []);
    this.#directory.set(slot, []);
    this.#near.reset(slot);
  }

  get #sealedStores(): (number | null)[] {
    return sealedStores(this.#options.arenas, this.#options.near);
  }

  #pack(pack: PackOp): void {
    const { slot, blockIndex, listIndex, jobIndex, recordOffsets } = pack;
    const measure = this.#lastMeasures[jobIndex];
    assertEquals([measure?.slot, measure?.blockIndex], [slot, blockIndex]);
    const gathered = this.#gathered.get(jobIndex);
    const list = this.#directory.get(slot)!;
    const words = this.#lastRecordWords[jobIndex];
    const isFirst = blockIndex === 0;
    const tile = gathered ?? { ...this.#tile(slot, blockIndex), isFirst };
    const { stays, near } = this.#near.partsOf(recordOffsets);
    if (near) this.#near.set(slot, blockIndex, this.#memory.write(near, words, tile));
    if (!stays) return;
    // The read list begins anew with the first block of what stays.
    if (gathered && listIndex === 0) list.length = 0;
    assertEquals(list.length, listIndex);
    const content = this.#memory.write(stays, words, tile);
    if (gathered) assertEquals(pack.tokenCounts, gathered.idsByStore!.map(({ length }) => length));
    list.push({ content, tokenCount: gathered ? BLOCK : tokenCountOf(pack) });
  }

  /** A block that lies in the arena is put behind those of a slot. */
  #link(link: LinkOp): void {
    const { slot, blockIndex, listIndex, recordOffsets } = link;
    const found = this.#memory.find(recordOffsets);
    assert(found.isOwn || !found.isDecoded, "what is shared was prefilled");
    if (this.#near.partsOf(recordOffsets).near) return this.#near.set(slot, blockIndex, found);
    assertEquals(this.#directory.get(slot)!.length, listIndex);
    const { idsByStore } = found;
    if (idsByStore) assertEquals(link.tokenCounts, idsByStore.map(({ length }) => length));
    const tokenCount = idsByStore ? BLOCK : tokenCountOf(link);
    this.#directory.get(slot)!.push({ content: found, tokenCount });
  }

  #save({ key, extents, recordWords }: SaveOp): void {
    const content = this.#memory.at(extents);
    this.#host.set(key, { firstPosition: 0, ...content, recordWords });
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
    const own = this.#near.offsetsOf(kindOfKey(key), offsets);
    this.#memory.write(own, tile.recordWords, tile).isOwn = isOwnKey(key);
  }

  #keep({ slot, blockIndex, recordOffsets }: TileOp): void {
    const tile = this.#tile(slot, blockIndex);
    assertEquals([tile.ids.length, tile.isDecoded], [BLOCK, false]);
    this.#memory.write(
      recordOffsets,
      recordOffsets.map((_, store) => this.#options.tileWords?.[store] ?? 0),
      tile,
    );
  }

  #restore({ recordOffsets, ...place }: TileOp): void {
    const { ids } = this.#memory.intact(this.#memory.find(recordOffsets));
    this.#place(place, { ids, isDecoded: false });
  }

  #place(
    { slot, blockIndex, inLongRingsOnly }: WindowPlace,
    { ids, isDecoded }: Pick<Tile, "ids" | "isDecoded">,
  ): void {
    const copy = () => ({ firstPosition: blockIndex * BLOCK, ids: [...ids], isDecoded });
    this.#longTiles.get(slot)![blockIndex % this.#longRingSize] = copy();
    if (!inLongRingsOnly) this.#tiles.get(slot)![blockIndex % this.#ringSize] = copy();
  }

  get #ringSize(): number {
    return 1 + (this.#options.windowBlockCount ?? 2);
  }

  get #longRingSize(): number {
    return 1 + Math.max(this.#ringSize - 1, this.#options.longTileCount ?? 0);
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
    const tile = this.#tiles.get(slot)![blockIndex % this.#ringSize];
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
    assertEquals(firstWindowBlock, windowBlockAt(position, this.#ringSize - 1));
    const { keptCount = () => BLOCK } = this.#options;
    const kept = Array.from({ length: firstWindowBlock }, (_, block) => keptCount(block));
    const isMoved = packed.some(({ content }) => content.idsByStore);
    if (isMoved) return this.#sampleMoved({ slot, listCount, firstWindowBlock }, position);
    assertEquals(listCount, kept.filter((count) => count > 0).length);
    const parts = packed.map(({ content, tokenCount }) => {
      const { ids } = this.#memory.intact(content);
      return tokenCount < ids.length ? ids.slice(0, tokenCount) : ids;
    });
    const tileEnd = Math.floor(position / BLOCK);
    for (let index = firstWindowBlock; index <= tileEnd; index++) {
      parts.push(this.#tile(slot, index).ids);
    }
    const visible = ([] as number[]).concat(...parts);
    const keptTokenCount = kept.reduce((sum, count) => sum + count, 0);
    assertEquals(visible.length, position + 1 - firstWindowBlock * BLOCK + keptTokenCount);
    this.#checkLongRing(slot, position, visible);
    visible.push(...this.#near.ids(slot, position));
    const id = nextToken(visible, this.#options.endPeriod);
    this.#sampled.set(slot, id);
    return id;
  }

  /** The same where stores hold different tokens: reads those of each. */
  #sampleMoved({ slot, firstWindowBlock }: Reader, position: number): number {
    const recent: number[] = [];
    for (let index = firstWindowBlock; index <= Math.floor(position / BLOCK); index++) {
      recent.push(...this.#tile(slot, index).ids);
    }
    const visible = this.#sealedStores.flatMap((store) => {
      if (store === null) return [];
      const sealed = this.#directory.get(slot)!.flatMap(({ content }) => {
        const { ids, idsByStore } = this.#memory.intact(content);
        return idsByStore?.[store] ?? ids;
      });
      return [...sealed, ...recent];
    });
    visible.push(...this.#near.ids(slot, position));
    const id = nextToken(visible, this.#options.endPeriod);
    this.#sampled.set(slot, id);
    return id;
  }
}
