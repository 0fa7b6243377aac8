/**
 * Raw blocks on the device: copies of tiles, read where they lie.
 *
 * @module
 */

import type { RawCodec } from "../../codec/raw/codec.ts";
import { invariant } from "../../core/errors.ts";
import { RECORD_ALIGN_WORDS } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { AttentionDecodeRawKernel } from "../../kernels/attention_decode/raw.ts";
import { AttentionPrefillKernel } from "../../kernels/attention_prefill/raw.ts";
import type { MeasureOp, PackOp, StepResult } from "../../scheduler/step_plan.ts";
import { type BlockReaders, directReader, type ReaderOptions } from "../block_reader.ts";
import type { KvCache } from "../kv_cache.ts";
import type { Sealer } from "../sealer.ts";
import type { DeviceCodec } from "./device_codec.ts";

/** A block is a copy of its raw tiles. */
class RawSealer implements Sealer {
  readonly resultSizeBytes = 0;
  #cache: KvCache;

  constructor(cache: KvCache) {
    this.#cache = cache;
  }

  recordPacks(encoder: GPUCommandEncoder, packs: readonly PackOp[]): void {
    for (const pack of packs) this.#cache.recordSealedCopy(encoder, pack);
  }

  recordMeasures(): void {}

  recordResultCopy(): void {}

  readResults(measures: readonly MeasureOp[]): Pick<StepResult, "recordWords" | "refused"> {
    const { stores, tileWords } = this.#cache.shape;
    invariant(tileWords % RECORD_ALIGN_WORDS === 0, "raw tiles are whole record units");
    const words = stores.map((store) => store.isSealed ? store.tileWords : 0);
    const recordWords = measures.map(() => words);
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

function createReaders(gpu: Gpu, { cache }: { cache: KvCache }): BlockReaders {
  const kernelOptions = ({ shape, splits }: ReaderOptions) => {
    return { shape, splits, source: "arena" } as const;
  };
  const sourceOf = (layer: number) => {
    return { tiles: cache.arenaOf(layer), directory: cache.directoryOf(layer) };
  };
  return {
    async decode(options) {
      const { q, rows, partials } = options;
      const kernel = await AttentionDecodeRawKernel.create(gpu, kernelOptions(options));
      return directReader(
        options,
        kernel,
        (layer) => kernel.bind({ q, rows, partials, ...sourceOf(layer) }),
      );
    },
    async slice(options) {
      const { q, rows, slice, partials } = options;
      const kernel = await AttentionPrefillKernel.create(gpu, kernelOptions(options));
      return directReader(
        options,
        kernel,
        (layer) => kernel.bind({ q, rows, slice, partials, ...sourceOf(layer) }),
      );
    },
    destroy() {},
  };
}

/** The device half of `raw`. */
export const RAW_DEVICE: DeviceCodec<RawCodec> = {
  createSealer: (_, { cache }) => Promise.resolve(new RawSealer(cache)),
  createReaders,
};
