/**
 * The KV cache's buffers on the device: the raw window of each store, the arena of each group of
 * stores, and the directory of read lists.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import { ENTRY_WORDS, entryWords, NO_RECORD, type Sight } from "../core/row.ts";
import { BLOCK_TOKEN_COUNT, windowTile, windowTileCount, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { BufferSlice, Gpu } from "../gpu/gpu.ts";
import type { LinkOp, TileOp } from "../scheduler/step_plan.ts";
import {
  type CacheShape,
  cacheSizeBytes,
  summarySizeBytes,
  windowSizeBytes,
} from "./cache_shape.ts";
import { isNear } from "./store.ts";

/** A store whose blocks are sealed. */
export interface SealedStore {
  /** Its index among all stores. */
  store: number;
  /** The layer that writes it. */
  layer: number;
  window: GPUBuffer;
  /** Whether its records have codes; else they read those of the record before them. */
  hasCodes: boolean;
}

/** Device memory of all sequences' keys and values. */
export class KvCache {
  readonly shape: CacheShape;
  /** u32 `[slotCount][tileCount][tileWords]` per store; raw tiles of FORMAT.md. */
  readonly windows: readonly GPUBuffer[];
  /** u32 words per group of stores. */
  readonly arenas: readonly GPUBuffer[];
  /** The stores whose blocks are sealed, in order. */
  readonly sealed: readonly SealedStore[];
  /** By arena group: which of {@link sealed} it holds. */
  readonly sealedGroups: readonly { first: number; count: number }[];
  /** By store: u32 `[slotCount][blockCountMax][kvHeadCount][headSize]`; null if not summarised. */
  readonly summaries: readonly (GPUBuffer | null)[];
  #gpu: Gpu;
  #directory: GPUBuffer;
  /** By slot: records of its sequence's first block, of which each store has one. */
  #firstRecords: number[][] = [];

  /** Allocates the buffers, zeroed. */
  constructor(gpu: Gpu, shape: CacheShape) {
    this.#gpu = gpu;
    this.shape = shape;
    this.windows = shape.stores.map((store, index) =>
      gpu.createBuffer(`window ${index}`, windowSizeBytes(shape, store))
    );
    this.arenas = shape.groups.map((group, index) =>
      gpu.createBuffer(`arena ${index}`, (group.wordCount + group.valueWordCount) * WORD_SIZE_BYTES)
    );
    this.summaries = shape.stores.map(({ isSummarised }, index) =>
      isSummarised ? gpu.createBuffer(`summaries ${index}`, summarySizeBytes(shape)) : null
    );
    this.sealed = shape.stores.flatMap(({ layer, isSealed, hasCodes }, store) =>
      isSealed ? [{ store, layer, window: this.windows[store], hasCodes }] : []
    );
    this.sealedGroups = shape.groups.map(({ firstStore, storeCount, windowStoreCount }) => ({
      first: this.sealed.findIndex(({ store }) => store >= firstStore),
      count: storeCount - windowStoreCount,
    }));
    const directoryBytes = shape.stores.length * shape.directoryStrideBytes;
    this.#directory = gpu.createBuffer("directory", directoryBytes);
  }

  /** Raw tiles of each slot in the windows of {@link sealed} stores. */
  get windowTileCount(): number {
    return windowTileCount(null, this.shape.windowBlockCount);
  }

  /** Index of the store that a layer reads. */
  storeOf(layer: number): number {
    const store = this.shape.storeOf[layer];
    invariant(store !== null && store !== undefined, "the layer keeps something, or reads it");
    return store;
  }

  /** The raw window that a layer reads. */
  windowOf(layer: number): GPUBuffer {
    return this.windows[this.storeOf(layer)];
  }

  /** What a layer sees; null for all tokens. */
  sightOf(layer: number): Sight | null {
    const { reach, isSealed } = this.shape.stores[this.storeOf(layer)];
    return reach === null ? null : { reach, isSealed };
  }

  /** Raw tiles of each slot in the window that a layer reads. */
  tileCountOf(layer: number): number {
    return this.shape.stores[this.storeOf(layer)].tileCount;
  }

  /** The arena that holds the records a layer reads. */
  arenaOf(layer: number): GPUBuffer {
    return this.arenaOfStore(this.storeOf(layer));
  }

  /** The arena that holds the records of a store. */
  arenaOfStore(store: number): GPUBuffer {
    return this.arenas[this.shape.stores[store].group];
  }

  /** The read lists of the store of a layer: u32 `[slotCount][blockCountMax][ENTRY_WORDS]`. */
  directoryOf(layer: number): BufferSlice {
    const { directoryStrideBytes: size } = this.shape;
    return { buffer: this.#directory, offset: this.storeOf(layer) * size, size };
  }

  /** Whether the rows of a layer choose what they read of the sealed blocks. */
  choosesOf(layer: number): boolean {
    const { denseLayerCount, stores } = this.shape;
    const isBehind = denseLayerCount !== null && layer >= denseLayerCount;
    return isBehind && stores[this.storeOf(layer)].isChosenOf;
  }

  /** Queues the directory entries of a block that this step makes readable. */
  writeDirectory(link: LinkOp): void {
    const { stores, blockCountMax, directoryStrideBytes } = this.shape;
    const isFirst = link.blockIndex === 0;
    const firstRecords = this.#firstRecords[link.slot] ??= [];
    for (let store = 0; store < stores.length; store++) {
      const own = link.recordOffsets[store];
      if (!stores[store].isSealed || own === NO_RECORD) continue;
      if (isFirst) firstRecords[store] = own;
      const index = isNear(stores[store]) ? link.blockIndex : link.listIndex;
      const entry = link.slot * blockCountMax + index;
      const offset = store * directoryStrideBytes + entry * ENTRY_WORDS * WORD_SIZE_BYTES;
      const tokenCount = link.tokenCounts?.[store] ?? BLOCK_TOKEN_COUNT;
      // Of a record without tokens kernels read something, and count none of it.
      const word = tokenCount === 0 ? firstRecords[store] : own;
      const words = Uint32Array.from(entryWords({ word, tokenCount, isFirst }));
      this.#gpu.write(this.#directory, offset, words);
    }
  }

  /** Encodes the copy of a raw tile of all stores between a slot's window and the arenas. */
  encodeTileCopy(encoder: GPUCommandEncoder, tile: TileOp, to: "window" | "arena"): void {
    for (const [store, { isSealed }] of this.shape.stores.entries()) {
      if (isSealed && tile.inLongRingsOnly) continue;
      this.#copyTile(encoder, { ...tile, store }, to);
    }
  }

  /** Encodes the copy of a raw tile of sealed stores to the arenas, as their records. */
  encodeSealedCopy(encoder: GPUCommandEncoder, pack: TileOp): void {
    for (const { store } of this.sealed) {
      if (pack.recordOffsets[store] === NO_RECORD) continue;
      this.#copyTile(encoder, { ...pack, store }, "arena");
    }
  }

  #copyTile(
    encoder: GPUCommandEncoder,
    { store, slot, blockIndex, recordOffsets }: TileOp & { store: number },
    to: "window" | "arena",
  ): void {
    const { tileCount, tileWords } = this.shape.stores[store];
    const sizeBytes = tileWords * WORD_SIZE_BYTES;
    const [window, arena] = [this.windows[store], this.arenaOfStore(store)];
    const inWindow = windowTile(slot, blockIndex, tileCount) * sizeBytes;
    const inArena = recordOffsets[store] * WORD_SIZE_BYTES;
    if (to === "window") {
      encoder.copyBufferToBuffer(arena, inArena, window, inWindow, sizeBytes);
    } else {
      encoder.copyBufferToBuffer(window, inWindow, arena, inArena, sizeBytes);
    }
  }

  /** Device bytes of windows, arenas, directory and summaries. */
  get sizeBytes(): ReturnType<typeof cacheSizeBytes> {
    return cacheSizeBytes(this.shape);
  }

  /** Frees all of it. */
  destroy(): void {
    const summaries = this.summaries.filter((buffer) => buffer !== null);
    for (const buffer of [...this.windows, ...this.arenas, this.#directory, ...summaries]) {
      this.#gpu.destroyBuffer(buffer);
    }
  }
}

/** Bytes of each buffer that a {@link KvCache} allocates. */
export function cacheBufferBytes(shape: CacheShape): number[] {
  return [
    ...shape.stores.map((store) => windowSizeBytes(shape, store)),
    ...shape.groups.map(({ wordCount, valueWordCount }) =>
      (wordCount + valueWordCount) * WORD_SIZE_BYTES
    ),
    shape.stores.length * shape.directoryStrideBytes,
    ...shape.stores.filter(({ isSummarised }) => isSummarised).map(() => summarySizeBytes(shape)),
  ];
}
