/**
 * DeltaKV records on the device: quantised as paper records, described by centres, packed as these
 * behind their heads. Rows read them from scratch, as raw tiles.
 *
 * @module
 */

import type { DeltaKvCodec } from "../../codec/deltakv/codec.ts";
import { HAS_TABLE } from "../../codec/deltakv/layout.ts";
import { invariant } from "../../core/errors.ts";
import { NO_RECORD } from "../../core/row.ts";
import { BLOCK_TOKEN_COUNT, WORD_SIZE_BYTES } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { BlockUnpackDeltaKvKernel } from "../../kernels/block_unpack/deltakv.ts";
import { KvDescribeDeltaKvKernel } from "../../kernels/kv_describe/deltakv.ts";
import { KvPackPaperKernel } from "../../kernels/kv_pack/paper.ts";
import { KvQuantisePaperKernel } from "../../kernels/kv_quantise/paper.ts";
import { type BlockReaders, recordReaders } from "../block_reader.ts";
import {
  encodeByGroup,
  type SealedPack,
  type SealKernels,
  type SealLayout,
} from "../block_sealer.ts";
import type { KvCache } from "../kv_cache.ts";
import { createScratch, slotBuffer } from "../seal_scratch.ts";
import { type CodecCache, type DeviceCodec, sealerOf, WHOLE_RECORDS_ONLY } from "./device_codec.ts";
import { PaperPackJobs } from "./paper_pack_jobs.ts";
import { SharedOfCache } from "./shared_of_cache.ts";

/** A side has half of a head, beside what a paper record has; tables are counted to the keys. */
function sealLayout({ layout }: DeltaKvCodec): SealLayout {
  const { kvHeadCount, headSize, flagWords, tableWords, paper } = layout;
  return {
    channelCount: kvHeadCount * headSize,
    sinkCount: 0,
    sectionCount: paper.sectionCount,
    fixedPayloadWords: () => 0,
    sideOf: (section) => paper.sideOf(section),
    sizeWords: (size) => size < HAS_TABLE ? size : size - HAS_TABLE + tableWords,
    isDescribed: (size) => size >= HAS_TABLE,
    recordWords: (payloadWords) => layout.recordWords(payloadWords),
    sideWords: (side) =>
      flagWords / 2 + kvHeadCount + BLOCK_TOKEN_COUNT + kvHeadCount * paper.payloadWord(side),
  };
}

/**
 * What keys turn by, a buffer for all layers that turn alike: what seals and what reads a cache
 * share them.
 */
class TurnBuffers {
  static readonly #shared = new SharedOfCache<TurnBuffers>();
  #gpu: Gpu;
  #options: CodecCache<DeltaKvCodec>;
  #buffers = new Map<Uint32Array, GPUBuffer>();

  private constructor(gpu: Gpu, options: CodecCache<DeltaKvCodec>) {
    this.#gpu = gpu;
    this.#options = options;
  }

  /** Those of a cache, made if nobody has them. */
  static use(gpu: Gpu, options: CodecCache<DeltaKvCodec>): TurnBuffers {
    const { cache, codec } = options;
    const shared = TurnBuffers.#shared.use(cache, () => new TurnBuffers(gpu, options));
    invariant(shared.#options.codec === codec, "a cache has the turns of one codec");
    return shared;
  }

  /** Of a layer. */
  of(layer: number): GPUBuffer {
    const words = this.#options.codec.turnWordsOf(layer);
    const buffer = this.#buffers.get(words) ?? this.#gpu.createBufferWith("turns of keys", words);
    this.#buffers.set(words, buffer);
    return buffer;
  }

  /** Frees them once nobody uses them any more. */
  release(): void {
    TurnBuffers.#shared.release(this.#options.cache, () => {
      for (const buffer of this.#buffers.values()) this.#gpu.destroyBuffer(buffer);
    });
  }
}

async function createKernels(gpu: Gpu, options: CodecCache<DeltaKvCodec>): Promise<SealKernels> {
  const { cache, codec } = options;
  const { layout, profile: { keyRel, valueRel } } = codec;
  const { paper, flagWords, tableWords } = layout;
  const { sealed, sealedGroups, windowTileCount: tileCount } = cache;
  const { length: storeCount } = sealed;
  const rels = { keyRel, valueRel };
  const quantised = { layout: paper, storeCount, tileCount, ...rels };
  const quantise = await KvQuantisePaperKernel.create(gpu, quantised);
  const describe = await KvDescribeDeltaKvKernel.create(gpu, { layout, storeCount });
  const head = { flagWords, tableWords };
  const pack = await KvPackPaperKernel.create(gpu, { layout: paper, storeCount, head });
  const scratch = createScratch(gpu, { cache, layout: paper, repack: "none" });
  const headWords = layout.headWords(true);
  const heads = slotBuffer(gpu, options, ["heads", storeCount * headWords]);
  const packJobs = new PaperPackJobs(gpu, options);
  const turns = TurnBuffers.use(gpu, options);
  const boundQuantise = sealed.map(({ window }, store) =>
    quantise.bind({ ...scratch, jobs: scratch.measureJobs, window }, store)
  );
  const boundDescribe = sealed.map(({ layer }, store) =>
    describe.bind({ ...scratch, heads, turns: turns.of(layer) }, store)
  );
  const boundPack = sealedGroups.map(({ first }, group) =>
    pack.bind({ ...scratch, ...packJobs.buffers, arena: cache.arenas[group] }, first)
  );
  return {
    layout: sealLayout(codec),
    ...scratch,
    encodeMeasures(pass, { quantisedCount: jobCount }) {
      for (const bound of boundQuantise) quantise.encode(pass, bound, jobCount);
      for (const bound of boundDescribe) describe.encode(pass, bound, jobCount);
    },
    encodePacks(encoder, packs) {
      packJobs.write(packs);
      copyHeads(encoder, { cache, heads, headWords }, packs);
      encodeByGroup(encoder, { cache, kernel: pack, bound: boundPack }, packs.length);
    },
    destroy() {
      for (const buffer of [...Object.values(scratch), heads]) gpu.destroyBuffer(buffer);
      packJobs.destroy();
      turns.release();
      for (const kernel of [quantise, describe, pack]) kernel.destroy();
    },
  };
}

/** Heads with room for a table, before the rest of each record overwrites what it does not have. */
function copyHeads(
  encoder: GPUCommandEncoder,
  { cache, heads, headWords }: { cache: KvCache; heads: GPUBuffer; headWords: number },
  packs: readonly SealedPack[],
): void {
  const sizeBytes = headWords * WORD_SIZE_BYTES;
  for (const { scratchIndex, targets } of packs) {
    for (const [index, target] of targets.entries()) {
      if (target === NO_RECORD) continue;
      const source = (scratchIndex * targets.length + index) * sizeBytes;
      const arena = cache.arenaOfStore(cache.sealed[index].store);
      encoder.copyBufferToBuffer(heads, source, arena, target * WORD_SIZE_BYTES, sizeBytes);
    }
  }
}

function createReaders(gpu: Gpu, options: CodecCache<DeltaKvCodec>): BlockReaders {
  const { cache, codec: { layout } } = options;
  const turns = TurnBuffers.use(gpu, options);
  return recordReaders(gpu, cache, {
    attend: null,
    unpack: () => BlockUnpackDeltaKvKernel.create(gpu, { layout }),
    ownOf: (layer) => ({ turns: turns.of(layer) }),
    destroy: () => turns.release(),
  });
}

/** The device half of `deltakv`. */
export const DELTAKV_DEVICE: DeviceCodec<DeltaKvCodec> = {
  decodeLanes: null,
  ...WHOLE_RECORDS_ONLY,
  createSealer: sealerOf(createKernels),
  createReaders,
};
