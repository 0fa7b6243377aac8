import { invariant } from "../core/errors.ts";
import { RECORD_ALIGN_WORDS } from "../core/shapes.ts";
import type { MeasureOp, PackOp, StepResult } from "../scheduler/step_plan.ts";
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
    for (const pack of packs) this.#cache.recordTileCopy(encoder, pack, "arena");
  }

  recordMeasures(): void {}

  recordResultCopy(): void {}

  readResults(measures: readonly MeasureOp[]): Pick<StepResult, "recordWords" | "refused"> {
    const { layerCount, tileWords } = this.#cache.shape;
    invariant(tileWords % RECORD_ALIGN_WORDS === 0, "raw tiles are whole record units");
    const recordWords = measures.map(() => new Array<number>(layerCount).fill(tileWords));
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
