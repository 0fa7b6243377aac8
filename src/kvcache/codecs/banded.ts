/**
 * Banded records on the device. FORMAT.md section 7.
 *
 * @module
 */

import type { BandedCodec } from "../../codec/banded/codec.ts";
import { extraWords } from "../../codec/banded/dropped.ts";
import { layerTableWords, quantiserWords, readerStride } from "../../codec/banded/tables.ts";
import { valuePart } from "../../codec/banded/value_part.ts";
import { invariant } from "../../core/errors.ts";
import { WORD_SIZE_BYTES } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { ATTENTION_DECODE_TEAM_VARIANTS } from "../../kernels/attention_decode/variants.ts";
import { pointWords } from "../../codec/banded/points.ts";
import { AttentionDecodeBandedKernel } from "../../kernels/attention_decode/banded.ts";
import { BlockUnpackBandedKernel } from "../../kernels/block_unpack/banded.ts";
import {
  type KvGatherBandedBuffers,
  KvGatherBandedKernel,
} from "../../kernels/kv_gather/banded.ts";
import {
  GATHER_WORDS,
  type GatherJob,
  gatherWords,
  keptChannelWords,
} from "../../kernels/kv_gather/gathers.ts";
import { KvMeasureBandedKernel } from "../../kernels/kv_measure/banded.ts";
import { KvPackBandedKernel, packBandedJobWords } from "../../kernels/kv_pack/banded.ts";
import { KvQuantiseBandedKernel } from "../../kernels/kv_quantise/banded.ts";
import { type BlockReaders, recordReaders } from "../block_reader.ts";
import { encodeByGroup, type SealKernels, type SealLayout } from "../block_sealer.ts";
import { createScratch, slotBuffer } from "../seal_scratch.ts";
import { type CodecCache, type DeviceCodec, sealerOf } from "./device_codec.ts";
import { SharedOfCache } from "./shared_of_cache.ts";

/** A side has half of the fixed words. */
function sealLayout({ layout }: BandedCodec): SealLayout {
  return {
    channelCount: layout.channelCount,
    sinkCount: layout.sinkCount,
    sectionCount: layout.sectionCount,
    fixedPayloadWords: () => 0,
    sideOf: (section) => layout.sectionPlace(section).side,
    sizeWords: extraWords,
    recordWords: (payloadWords, hasSinks) => layout.recordWords(payloadWords, hasSinks),
    sideWords: () => layout.fixedWords(false) / 2,
    valuePart: (sizes, hasSinks) => valuePart(layout, sizes, hasSinks),
  };
}

/**
 * Tables of all layers on the device, those of sealed stores first and in their order: what seals
 * and what reads a cache share them.
 */
class LayerTables {
  static readonly #shared = new SharedOfCache<LayerTables>();
  readonly buffer: GPUBuffer;
  /** `pointWords`. */
  readonly points: GPUBuffer;
  #options: CodecCache<BandedCodec>;
  #order: readonly number[];

  private constructor(gpu: Gpu, options: CodecCache<BandedCodec>) {
    const { cache, codec: { tables } } = options;
    this.#options = options;
    const sealed = cache.sealed.map(({ layer }) => layer);
    this.#order = [...sealed, ...tables.keys().filter((layer) => !sealed.includes(layer))];
    const words = layerTableWords(this.#order.map((layer) => tables[layer]));
    this.buffer = gpu.createBufferWith("tables", words);
    this.points = gpu.createBufferWith("points", pointWords());
  }

  /** Those of a cache, made if nobody has them. */
  static use(gpu: Gpu, options: CodecCache<BandedCodec>): LayerTables {
    const { cache, codec } = options;
    const shared = LayerTables.#shared.use(cache, () => new LayerTables(gpu, options));
    invariant(shared.#options.codec.tables === codec.tables, "a cache has the tables of one codec");
    return shared;
  }

  /** `readerWords` of a layer. */
  of(layer: number): BufferSlice {
    const size = readerStride(this.#options.codec.layout.channelCount) * WORD_SIZE_BYTES;
    return { buffer: this.buffer, offset: this.#order.indexOf(layer) * size, size };
  }

  /** Frees them once nobody uses them any more. */
  release(gpu: Gpu): void {
    LayerTables.#shared.release(this.#options.cache, ({ buffer, points }) => {
      for (const each of [buffer, points]) gpu.destroyBuffer(each);
    });
  }
}

async function createKernels(gpu: Gpu, options: CodecCache<BandedCodec>): Promise<SealKernels> {
  const { cache, codec } = options;
  const { layout } = codec;
  const { sealed, sealedGroups, windowTileCount: tileCount } = cache;
  const { length: storeCount } = sealed;
  const quantise = await KvQuantiseBandedKernel.create(gpu, { layout, storeCount, tileCount });
  const measure = await KvMeasureBandedKernel.create(gpu, { layout, storeCount });
  const pack = await KvPackBandedKernel.create(gpu, { layout, storeCount });
  const tablesOf = sealed.map(({ layer }) => codec.tables[layer]);
  const tables = tablesOf.map((each, store) =>
    gpu.createBufferWith(`quantiser tables ${store}`, quantiserWords(each))
  );
  const shared = LayerTables.use(gpu, options);
  const scratch = createScratch(gpu, { cache, layout, repack: "none" });
  const sinkWords = storeCount * Math.max(1, layout.sinkWords(true));
  const sinks = slotBuffer(gpu, options, ["sinks", sinkWords]);
  const noTargets = { scratchIndex: 0, firstToken: 0, targets: new Uint32Array(storeCount) };
  const jobWords = packBandedJobWords([noTargets]).length;
  const packJobs = slotBuffer(gpu, options, ["pack jobs", jobWords]);
  const packedCounts = slotBuffer(gpu, options, ["packed counts", storeCount]);
  const { buffer: bands, points } = shared;
  const measured = { ...scratch, jobs: scratch.measureJobs, sinks, bands, points };
  const boundQuantise = sealed.map(({ window }, store) =>
    quantise.bind({ ...measured, window, tables: tables[store] }, store)
  );
  const boundMeasure = measure.bind({ ...measured, packedCounts });
  const gather = await createGather(gpu, options, measured);
  const boundPack = sealedGroups.map(({ first }, group) =>
    pack.bind({ ...measured, jobs: packJobs, arena: cache.arenas[group] }, first)
  );
  return {
    layout: sealLayout(codec),
    ...scratch,
    encodeMeasures(pass, measures) {
      const { quantisedCount, gathers: jobs } = measures;
      gpu.write(packedCounts, 0, Uint32Array.from(measures.packedCounts.flat()));
      if (quantisedCount > 0) {
        for (const bound of boundQuantise) quantise.encode(pass, bound, quantisedCount);
      }
      gather.encode(pass, jobs);
      measure.encode(pass, boundMeasure, quantisedCount + jobs.length);
    },
    encodePacks(encoder, packs) {
      gpu.write(packJobs, 0, packBandedJobWords(packs));
      encodeByGroup(encoder, { cache, kernel: pack, bound: boundPack }, packs.length);
    },
    destroy() {
      const own = [...Object.values(scratch), ...tables, sinks, packJobs, packedCounts];
      for (const buffer of own) gpu.destroyBuffer(buffer);
      shared.release(gpu);
      gather.destroy();
      quantise.destroy();
      pack.destroy();
    },
  };
}

/** What puts blocks together of tokens of others, bound to scratch. */
async function createGather(
  gpu: Gpu,
  options: CodecCache<BandedCodec>,
  scratch: Omit<KvGatherBandedBuffers, "gathers" | "keptChannels" | "arena">,
) {
  const { cache, codec: { layout } } = options;
  const { length: storeCount } = cache.sealed;
  const gathers = slotBuffer(gpu, options, ["gathers", storeCount * GATHER_WORDS]);
  const keySectionCount = layout.sectionCount / 2;
  const keptChannels = slotBuffer(gpu, options, ["kept channels", storeCount * keySectionCount]);
  const kernel = await KvGatherBandedKernel.create(gpu, { layout, storeCount });
  const bound = cache.sealedGroups.map(({ first }, group) =>
    kernel.bind({ ...scratch, gathers, keptChannels, arena: cache.arenas[group] }, first)
  );
  return {
    encode(pass: GPUComputePassEncoder, jobs: readonly GatherJob[]): void {
      if (jobs.length === 0) return;
      gpu.write(gathers, 0, gatherWords(jobs));
      gpu.write(keptChannels, 0, keptChannelWords(jobs, keySectionCount));
      cache.sealedGroups.forEach(({ count }, group) => {
        kernel.encode(pass, bound[group], { jobCount: jobs.length, storeCount: count });
      });
    },
    destroy(): void {
      for (const buffer of [gathers, keptChannels]) gpu.destroyBuffer(buffer);
      kernel.destroy();
    },
  };
}

function createReaders(gpu: Gpu, options: CodecCache<BandedCodec>): BlockReaders {
  const { cache, codec: { layout }, hasDropped = false } = options;
  const shared = LayerTables.use(gpu, options);
  return recordReaders(gpu, cache, {
    attend: ({ shape, splits }) =>
      AttentionDecodeBandedKernel.create(gpu, { shape, splits, layout, hasDropped }),
    score: ({ shape, splits }) =>
      AttentionDecodeBandedKernel.create(gpu, { shape, splits, layout, isScoresOnly: true }),
    unpack: () => BlockUnpackBandedKernel.create(gpu, { layout, hasDropped }),
    ownOf: (layer) => ({ tables: shared.of(layer), points: shared.points }),
    sinkCount: layout.sinkCount,
    destroy: () => shared.release(gpu),
  });
}

/** The device half of `banded`. */
export const BANDED_DEVICE: DeviceCodec<BandedCodec> = {
  decodeLanes: { operation: "attention_decode/banded", variants: ATTENTION_DECODE_TEAM_VARIANTS },
  gatherGap: () => null,
  dropGap: () => null,
  valueGap: () => null,
  createSealer: sealerOf(createKernels),
  createReaders,
};
