import { invariant } from "../core/errors.ts";
import { WINDOW_TILE_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { PackOp, StepResult } from "../scheduler/step_plan.ts";
import type { KvCache } from "./kv_cache.ts";
import type { Sealer } from "./sealer.ts";

/** Sealer of profile `exact`: a block is a copy of its raw tiles. */
export class RawSealer implements Sealer {
  readonly resultSizeBytes = 0;
  #cache: KvCache;

  constructor(cache: KvCache) {
    this.#cache = cache;
  }

  recordPacks(encoder: GPUCommandEncoder, packs: readonly PackOp[]): void {
    const { layerCount, tileWords } = this.#cache.shape;
    const sizeBytes = tileWords * WORD_SIZE_BYTES;
    for (const { slot, blockIndex, recordOffsets } of packs) {
      const tile = slot * WINDOW_TILE_COUNT + blockIndex % WINDOW_TILE_COUNT;
      for (let layer = 0; layer < layerCount; layer++) {
        const target = recordOffsets[layer] * WORD_SIZE_BYTES;
        const { windows } = this.#cache;
        const arena = this.#cache.arenaOf(layer);
        encoder.copyBufferToBuffer(windows[layer], tile * sizeBytes, arena, target, sizeBytes);
      }
    }
  }

  recordMeasures(): void {}

  recordResultCopy(): void {}

  readResults(measureCount: number): Pick<StepResult, "recordWords" | "refused"> {
    const { layerCount, tileWords } = this.#cache.shape;
    invariant(tileWords % 4 === 0, "raw tiles are whole record units");
    const recordWords = Array.from(
      { length: measureCount },
      () => new Array<number>(layerCount).fill(tileWords),
    );
    return { recordWords, refused: [] };
  }

  bitsPerElement(): { k: number; v: number } {
    return { k: 16, v: 16 };
  }

  payloadBitsPerElement(): { k: number; v: number } {
    return { k: 16, v: 16 };
  }

  destroy(): void {}
}
