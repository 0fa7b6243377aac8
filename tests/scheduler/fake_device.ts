/**
 * A device that runs a StepPlan on token ids instead of tensors, and fails if a row would read a
 * token that is not where the plan says. The next token is a hash of all tokens the row can see, so
 * a sequence's text is right only if every one of them was.
 */

import { assert, assertEquals } from "@std/assert";
import { EXTENT_UNIT_WORDS } from "../../src/scheduler/allocator.ts";
import type { ArenaSize } from "../../src/scheduler/block_memory.ts";
import type { PackOp, StepPlan, StepResult } from "../../src/scheduler/step_plan.ts";

const BLOCK = 64;
const TILE_COUNT = 4;

/** The token after `ids`: 0 (the end token) about once in `endPeriod` times. */
export function nextToken(ids: readonly number[], endPeriod: number): number {
  let hash = ids.length;
  for (const id of ids) hash = Math.imul(hash ^ id, 0x01000193) ^ (hash >>> 15);
  const value = (hash ^ (hash >>> 13)) >>> 0;
  return value % endPeriod === 0 ? 0 : 1 + value % 5000;
}

/** All tokens a request must produce, the end token left out. */
export function expectedTokens(
  promptIds: readonly number[],
  options: { maxTokens: number; ignoreEos: boolean; endPeriod: number },
): number[] {
  const ids = [...promptIds];
  while (ids.length < promptIds.length + options.maxTokens) {
    const id = nextToken(ids, options.endPeriod);
    if (id === 0 && !options.ignoreEos) break;
    ids.push(id);
  }
  return ids.slice(promptIds.length);
}

interface Tile {
  firstPosition: number;
  ids: number[];
}

interface Packed {
  pack: PackOp;
  ids: number[];
  serial: number;
}

/** How the device behaves beyond executing plans. */
export interface FakeDeviceOptions {
  arenas: readonly ArenaSize[];
  endPeriod: number;
  /** Words of the record of `layer` of a block of these tokens. */
  recordWords: (ids: readonly number[], layer: number) => number;
}

export class FakeDevice {
  #options: FakeDeviceOptions;
  #tiles = new Map<number, Tile[]>();
  #sampled = new Map<number, number>();
  #directory = new Map<number, Packed[]>();
  /** By arena and unit: serial number of the block written there last. */
  #owners: Uint32Array[];
  #serial = 0;
  #lastMeasures: StepPlan["measures"] = [];
  #lastRecordWords: number[][] = [];
  #stepIndex = 0;

  constructor(options: FakeDeviceOptions) {
    this.#options = options;
    this.#owners = options.arenas.map(({ wordCount }) =>
      new Uint32Array(Math.floor(wordCount / EXTENT_UNIT_WORDS))
    );
  }

  /** Executes a step in order: packs, rows, measures. */
  run(plan: StepPlan): StepResult {
    assertEquals(plan.stepIndex, this.#stepIndex++);
    for (const pack of plan.packs) this.#pack(pack);
    const ids = new Map<number, number>();
    const slots = [...plan.decodes, ...(plan.slice ? [plan.slice] : [])].map(({ slot }) => slot);
    assertEquals(new Set(slots).size, slots.length);
    for (const { sequenceId, slot, position, blockCount } of plan.decodes) {
      this.#store(slot, position, [this.#sampled.get(slot)!]);
      ids.set(sequenceId, this.#sample(slot, position, blockCount));
    }
    if (plan.slice) {
      const { sequenceId, slot, position, blockCount, isLast } = plan.slice;
      const last = position + plan.slice.ids.length - 1;
      assertEquals(Math.floor(position / BLOCK), Math.floor(last / BLOCK));
      if (position === 0) this.#reset(slot);
      this.#store(slot, position, plan.slice.ids);
      const id = this.#sample(slot, last, blockCount);
      if (isLast) ids.set(sequenceId, id);
    }
    this.#lastMeasures = plan.measures;
    this.#lastRecordWords = plan.measures.map(({ slot, blockIndex }) => {
      const tile = this.#tile(slot, blockIndex);
      assertEquals(tile.ids.length, BLOCK);
      const layerCount = this.#options.arenas.reduce((sum, arena) => sum + arena.layerCount, 0);
      return Array.from(
        { length: layerCount },
        (_, layer) => this.#options.recordWords(tile.ids, layer),
      );
    });
    return { ids, recordWords: this.#lastRecordWords, refused: [] };
  }

  #reset(slot: number): void {
    this.#tiles.set(slot, []);
    this.#directory.set(slot, []);
  }

  #pack(pack: PackOp): void {
    const { slot, blockIndex, jobIndex, extents, recordOffsets } = pack;
    const measure = this.#lastMeasures[jobIndex];
    assertEquals([measure?.slot, measure?.blockIndex], [slot, blockIndex]);
    assertEquals(this.#directory.get(slot)!.length, blockIndex);
    const serial = ++this.#serial;
    const words = this.#lastRecordWords[jobIndex];
    let layer = 0;
    this.#options.arenas.forEach(({ layerCount, wordCount }, group) => {
      let offset = extents[group].offset;
      for (const end = layer + layerCount; layer < end; layer++) {
        assertEquals(recordOffsets[layer], offset);
        offset += words[layer];
      }
      assertEquals(extents[group].wordCount, offset - extents[group].offset);
      assert(offset <= wordCount, "the extent lies in the arena");
      for (const unit of unitsOf(extents[group])) this.#owners[group][unit] = serial;
    });
    const { ids } = this.#tile(slot, blockIndex);
    this.#directory.get(slot)!.push({ pack, ids: [...ids], serial });
  }

  #store(slot: number, position: number, ids: readonly number[]): void {
    const blockIndex = Math.floor(position / BLOCK);
    const tiles = this.#tiles.get(slot)!;
    if (position % BLOCK === 0) {
      tiles[blockIndex % TILE_COUNT] = { firstPosition: position, ids: [] };
    }
    const tile = this.#tile(slot, blockIndex);
    assertEquals(tile.ids.length, position % BLOCK);
    tile.ids.push(...ids);
  }

  #tile(slot: number, blockIndex: number): Tile {
    const tile = this.#tiles.get(slot)![blockIndex % TILE_COUNT];
    assertEquals(tile.firstPosition, blockIndex * BLOCK);
    return tile;
  }

  /** Reads all tokens visible at `position` as attention does, and samples. */
  #sample(slot: number, position: number, blockCount: number): number {
    const packed = this.#directory.get(slot)!;
    assertEquals(blockCount, packed.length);
    assertEquals(blockCount, Math.max(0, Math.floor(position / BLOCK) - 2));
    const visible: number[] = [];
    for (const { pack, ids, serial } of packed) {
      pack.extents.forEach((extent, group) => {
        for (const unit of unitsOf(extent)) {
          if (this.#owners[group][unit] !== serial) throw new Error("a packed block is intact");
        }
      });
      visible.push(...ids);
    }
    const tileEnd = Math.floor(position / BLOCK);
    for (let index = blockCount; index <= tileEnd; index++) {
      visible.push(...this.#tile(slot, index).ids);
    }
    assertEquals(visible.length, position + 1);
    const id = nextToken(visible, this.#options.endPeriod);
    this.#sampled.set(slot, id);
    return id;
  }
}

function* unitsOf({ offset, wordCount }: { offset: number; wordCount: number }) {
  for (let word = offset; word < offset + wordCount; word += EXTENT_UNIT_WORDS) {
    yield word / EXTENT_UNIT_WORDS;
  }
}
