/**
 * The KV cache's buffers on the device: the raw window of each layer, the arena of each group of
 * layers, and the directory that says where the record of each (layer, slot, block) lies.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import { ENTRY_WORDS, entryWords } from "../core/row.ts";
import {
  BLOCK_TOKEN_COUNT,
  WINDOW_TILE_COUNT,
  windowTile,
  WORD_SIZE_BYTES,
} from "../core/shapes.ts";
import type { BufferSlice, Gpu } from "../gpu/gpu.ts";
import type { LinkOp, TileOp } from "../scheduler/step_plan.ts";
import type { CacheShape } from "./cache_shape.ts";

/** Device memory of all sequences' keys and values. */
export class KvCache {
  readonly shape: CacheShape;
  /** u32 `[slotCount][WINDOW_TILE_COUNT][tileWords]` per layer; raw tiles of FORMAT.md. */
  readonly windows: readonly GPUBuffer[];
  /** u32 words per group of layers. */
  readonly arenas: readonly GPUBuffer[];
  #gpu: Gpu;
  #directory: GPUBuffer;

  /** Allocates the buffers, zeroed. */
  constructor(gpu: Gpu, shape: CacheShape) {
    this.#gpu = gpu;
    this.shape = shape;
    const windowBytes = shape.slotCount * WINDOW_TILE_COUNT * shape.tileWords * WORD_SIZE_BYTES;
    this.windows = Array.from(
      { length: shape.layerCount },
      (_, layer) => gpu.createBuffer(`window ${layer}`, windowBytes),
    );
    this.arenas = shape.groups.map((group, index) =>
      gpu.createBuffer(`arena ${index}`, group.wordCount * WORD_SIZE_BYTES)
    );
    const directoryBytes = shape.layerCount * shape.directoryStrideBytes;
    this.#directory = gpu.createBuffer("directory", directoryBytes);
  }

  /** Index of the arena group that holds `layer`. */
  groupOf(layer: number): number {
    const index = this.shape.groups.findIndex((group) =>
      layer >= group.firstLayer && layer < group.firstLayer + group.layerCount
    );
    invariant(index >= 0, "every layer is in one arena group");
    return index;
  }

  /** The arena that holds the records of `layer`. */
  arenaOf(layer: number): GPUBuffer {
    return this.arenas[this.groupOf(layer)];
  }

  /** The read lists of one layer: u32 `[slotCount][blockCountMax][ENTRY_WORDS]`. */
  directoryOf(layer: number): BufferSlice {
    const { directoryStrideBytes: size } = this.shape;
    return { buffer: this.#directory, offset: layer * size, size };
  }

  /** Queues the directory entries of a block that this step makes readable. */
  writeDirectory(link: LinkOp): void {
    const { layerCount, blockCountMax, directoryStrideBytes } = this.shape;
    const entry = link.slot * blockCountMax + link.listIndex;
    const isFirst = link.blockIndex === 0;
    for (let layer = 0; layer < layerCount; layer++) {
      const offset = layer * directoryStrideBytes + entry * ENTRY_WORDS * WORD_SIZE_BYTES;
      const [word, tokenCount] = [link.recordOffsets[layer], BLOCK_TOKEN_COUNT];
      const words = Uint32Array.from(entryWords({ word, tokenCount, isFirst }));
      this.#gpu.write(this.#directory, offset, words);
    }
  }

  /** Records the copy of a raw tile of all layers between a slot's window and the arenas. */
  recordTileCopy(encoder: GPUCommandEncoder, tile: TileOp, to: "window" | "arena"): void {
    const { layerCount, tileWords } = this.shape;
    const sizeBytes = tileWords * WORD_SIZE_BYTES;
    const place = windowTile(tile.slot, tile.blockIndex);
    for (let layer = 0; layer < layerCount; layer++) {
      const [window, arena] = [this.windows[layer], this.arenaOf(layer)];
      const [inWindow, inArena] = [
        place * sizeBytes,
        tile.recordOffsets[layer] * WORD_SIZE_BYTES,
      ];
      if (to === "window") {
        encoder.copyBufferToBuffer(arena, inArena, window, inWindow, sizeBytes);
      } else {
        encoder.copyBufferToBuffer(window, inWindow, arena, inArena, sizeBytes);
      }
    }
  }

  /** Device bytes of windows, arenas and directory. */
  get sizeBytes(): { window: number; arena: number; directory: number } {
    const { shape } = this;
    const windowWords = shape.slotCount * WINDOW_TILE_COUNT * shape.tileWords;
    return {
      window: shape.layerCount * windowWords * WORD_SIZE_BYTES,
      arena: shape.groups.reduce((sum, group) => sum + group.wordCount, 0) * WORD_SIZE_BYTES,
      directory: shape.layerCount * shape.directoryStrideBytes,
    };
  }

  /** Frees all of it. */
  destroy(): void {
    for (const buffer of [...this.windows, ...this.arenas, this.#directory]) {
      this.#gpu.destroyBuffer(buffer);
    }
  }
}
