/**
 * Paper records on the device. FORMAT.md section 6.
 *
 * @module
 */

import type { PaperCodec } from "../../codec/paper/codec.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { ATTENTION_DECODE_TEAM_VARIANTS } from "../../kernels/attention_decode/variants.ts";
import { AttentionDecodePaperKernel } from "../../kernels/attention_decode/paper.ts";
import { BlockUnpackPaperKernel } from "../../kernels/block_unpack/paper.ts";
import { KvMeasurePaperKernel } from "../../kernels/kv_measure/paper.ts";
import { KvPackPaperKernel } from "../../kernels/kv_pack/paper.ts";
import { KvQuantisePaperKernel } from "../../kernels/kv_quantise/paper.ts";
import { type BlockReaders, recordReaders } from "../block_reader.ts";
import { encodeByGroup, type SealKernels, type SealLayout } from "../block_sealer.ts";
import { createRepack } from "../repack.ts";
import { createScratch } from "../seal_scratch.ts";
import { type CodecCache, type DeviceCodec, sealerOf, WHOLE_RECORDS_ONLY } from "./device_codec.ts";
import { PaperPackJobs } from "./paper_pack_jobs.ts";

/** A side has its token parameters, and half of the section table. */
function sealLayout({ layout }: PaperCodec): SealLayout {
  const { kvHeadCount, headSize, sectionCount } = layout;
  return {
    channelCount: kvHeadCount * headSize,
    sinkCount: 0,
    sectionCount,
    fixedPayloadWords: () => 0,
    sideOf: (section) => layout.sideOf(section),
    recordWords: (payloadWords) => layout.recordWords(payloadWords),
    sideWords: (side) => kvHeadCount + BLOCK_TOKEN_COUNT + kvHeadCount * layout.payloadWord(side),
  };
}

async function createKernels(gpu: Gpu, options: CodecCache<PaperCodec>): Promise<SealKernels> {
  const { cache, codec } = options;
  const { layout, profile } = codec;
  const { sealed, sealedGroups, windowTileCount: tileCount } = cache;
  const { length: storeCount } = sealed;
  const { keyRel, valueRel } = profile;
  const quantise = await KvQuantisePaperKernel.create(gpu, {
    layout,
    storeCount,
    tileCount,
    keyRel,
    valueRel,
  });
  const repack = await createRepack(gpu, profile.repack, { layout, storeCount });
  const measure = await KvMeasurePaperKernel.create(gpu, { layout, storeCount });
  const pack = await KvPackPaperKernel.create(gpu, { layout, storeCount });
  const scratch = createScratch(gpu, { cache, layout, repack: profile.repack });
  const packJobs = new PaperPackJobs(gpu, options);
  const measured = { ...scratch, jobs: scratch.measureJobs };
  const boundQuantise = sealed.map(({ window }, store) =>
    quantise.bind({ ...measured, window }, store)
  );
  const boundRepack = repack?.bind(measured);
  const boundMeasure = measure.bind(measured);
  const boundPack = sealedGroups.map(({ first }, group) =>
    pack.bind({ ...scratch, ...packJobs.buffers, arena: cache.arenas[group] }, first)
  );
  return {
    layout: sealLayout(codec),
    ...scratch,
    encodeMeasures(pass, { quantisedCount: jobCount }) {
      for (const bound of boundQuantise) quantise.encode(pass, bound, jobCount);
      if (repack && boundRepack) repack.encode(pass, boundRepack, jobCount);
      measure.encode(pass, boundMeasure, jobCount);
    },
    encodePacks(encoder, packs) {
      packJobs.write(packs);
      encodeByGroup(encoder, { cache, kernel: pack, bound: boundPack }, packs.length);
    },
    destroy() {
      for (const buffer of Object.values(scratch)) gpu.destroyBuffer(buffer);
      packJobs.destroy();
      quantise.destroy();
      pack.destroy();
    },
  };
}

function createReaders(gpu: Gpu, { cache, codec }: CodecCache<PaperCodec>): BlockReaders {
  const { layout } = codec;
  return recordReaders(gpu, cache, {
    attend: ({ shape, splits }) =>
      AttentionDecodePaperKernel.create(gpu, { shape, splits, layout }),
    unpack: () => BlockUnpackPaperKernel.create(gpu, { layout }),
    ownOf: () => ({}),
  });
}

/** The device half of `paper`. */
export const PAPER_DEVICE: DeviceCodec<PaperCodec> = {
  decodeLanes: { operation: "attention_decode/paper", variants: ATTENTION_DECODE_TEAM_VARIANTS },
  ...WHOLE_RECORDS_ONLY,
  createSealer: sealerOf(createKernels),
  createReaders,
};
