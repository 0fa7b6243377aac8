/**
 * Raw blocks on the device: copies of tiles, read where they lie.
 *
 * @module
 */

import type { RawCodec } from "../../codec/raw/codec.ts";
import { invariant } from "../../core/errors.ts";
import { RECORD_ALIGN_WORDS } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { AttentionDecodeRawKernel, RAW_LANES } from "../../kernels/attention_decode/raw.ts";
import { AttentionPrefillKernel } from "../../kernels/attention_prefill/raw.ts";
import type { MeasureOp, PackOp, StepResult } from "../../scheduler/step_plan.ts";
import { type BlockReaders, directReader, type ReaderOptions } from "../block_reader.ts";
import { gatherJob } from "../block_sealer.ts";
import type { KvCache } from "../kv_cache.ts";
import { gatheredCounts, NONE_DESCRIBED, type Sealer } from "../sealer.ts";
import { type DeviceCodec, JOINT_SIDES, WHOLE_RECORDS } from "./device_codec.ts";
import { RawGathers } from "./raw_gathers.ts";

/** A block is a copy of its raw tiles, or of tiles that are gathered. */
class RawSealer implements Sealer {
  readonly resultSizeBytes = 0;
  readonly describedCounts = NONE_DESCRIBED;
  #cache: KvCache;
  #gathers: RawGathers;
  /** Which of the blocks measured last are gathered. */
  #gathered = new Set<number>();

  constructor(cache: KvCache, gathers: RawGathers) {
    this.#cache = cache;
    this.#gathers = gathers;
  }

  encodePacks(encoder: GPUCommandEncoder, packs: readonly PackOp[]): void {
    for (const pack of packs) {
      if (this.#gathered.has(pack.jobIndex)) this.#gathers.encodePack(encoder, pack);
      else this.#cache.encodeSealedCopy(encoder, pack);
    }
  }

  encodeMeasures(encoder: GPUCommandEncoder, measures: readonly MeasureOp[]): void {
    const { sealed } = this.#cache;
    const jobs = measures.flatMap(({ gather }, scratchIndex) =>
      gather ? [gatherJob(gather, { scratchIndex, sealed })] : []
    );
    this.#gathered = new Set(jobs.map(({ scratchIndex }) => scratchIndex));
    this.#gathers.encode(encoder, jobs);
  }

  encodeResultCopy(): void {}

  readResults(
    measures: readonly MeasureOp[],
  ): Pick<StepResult, "recordWords" | "refused" | "tokenCounts"> {
    const { stores, tileWords } = this.#cache.shape;
    invariant(tileWords % RECORD_ALIGN_WORDS === 0, "raw tiles are whole record units");
    const recordWords = measures.map(({ gather }) =>
      stores.map((own, store) =>
        own.isSealed && gather?.tokenCounts[store] !== 0 ? own.tileWords : 0
      )
    );
    return { recordWords, refused: [], ...gatheredCounts(measures, stores.length) };
  }

  beginCounts(): void {}

  bitsPerElement(): { k: number; v: number } {
    return { k: 16, v: 16 };
  }

  payloadBitsPerElement(): { k: number; v: number } {
    return { k: 16, v: 16 };
  }

  destroy(): void {
    this.#gathers.destroy();
  }
}

function createReaders(gpu: Gpu, { cache }: { cache: KvCache }): BlockReaders {
  const kernelOptions = ({ shape, splits }: ReaderOptions) => {
    return { shape, splits, source: "arena" } as const;
  };
  return {
    async decode(options) {
      const { q, partials } = options;
      const kernel = await AttentionDecodeRawKernel.create(gpu, kernelOptions(options));
      return directReader(
        options,
        kernel,
        (layer, reads) => kernel.bind({ q, partials, tiles: cache.arenaOf(layer), ...reads }),
      );
    },
    async slice(options) {
      const { q, slices, partials, scorer } = options;
      const kernel = await AttentionPrefillKernel.create(gpu, kernelOptions(options));
      const readers = slices.map((slice) =>
        directReader(
          options,
          kernel,
          (layer, reads) =>
            kernel.bind({ q, slice, partials, tiles: cache.arenaOf(layer), ...reads }),
        )
      );
      const scored = await scorer?.bindSealed("arena");
      return {
        encode: (pass, layer, counts) => readers[counts.slice ?? 0].encode(pass, layer, counts),
        destroy() {},
        encodeScores: (pass, layer, blockCount) => scored?.encode(pass, { layer, blockCount }),
      };
    },
    score: null,
    unpacker: () => Promise.resolve(null),
    destroy() {},
  };
}

/** The device half of `raw`. */
export const RAW_DEVICE: DeviceCodec<RawCodec> = {
  decodeLanes: RAW_LANES.arena,
  gatherGap: () => null,
  dropGap: () => WHOLE_RECORDS,
  valueGap: () => JOINT_SIDES,
  createSealer: async (gpu, { cache }) => new RawSealer(cache, await RawGathers.create(gpu, cache)),
  createReaders,
};
