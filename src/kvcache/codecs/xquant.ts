/**
 * XQuant records on the device: quantising makes whole records, packing copies them. One without
 * codes lies right behind the record whose codes it is read with.
 *
 * @module
 */

import { KEY } from "../../codec/record.ts";
import type { XquantCodec } from "../../codec/xquant/codec.ts";
import { BLOCK_TOKEN_COUNT, WORD_SIZE_BYTES } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { AttentionDecodeXquantKernel } from "../../kernels/attention_decode/xquant.ts";
import { ATTENTION_DECODE_VARIANTS } from "../../kernels/attention_decode/variants.ts";
import { BlockUnpackXquantKernel } from "../../kernels/block_unpack/xquant.ts";
import { KvQuantiseXquantKernel } from "../../kernels/kv_quantise/xquant.ts";
import { codeStartBuffer } from "../../kernels/text/xquant.ts";
import { type BlockReaders, recordReaders } from "../block_reader.ts";
import { BlockSealer, type SealKernels, type SealLayout } from "../block_sealer.ts";
import type { SealedStore } from "../kv_cache.ts";
import { JOB_WORDS, slotBuffer } from "../seal_scratch.ts";
import {
  type CodecCache,
  type DeviceCodec,
  JOINT_SIDES,
  NO_GATHER_KERNEL,
  WHOLE_RECORDS,
} from "./device_codec.ts";

/** Nothing is measured. Codes are counted to the records that have them. */
function sealLayout({ layout }: XquantCodec, sealed: readonly SealedStore[]): SealLayout {
  const { channelCount, kvHeadCount, headSize, sides } = layout;
  return {
    channelCount,
    sinkCount: 0,
    sectionCount: 0,
    sideOf: () => KEY,
    fixedPayloadWords: (side, index) =>
      sealed[index].hasCodes ? kvHeadCount * sides[side].headWords : 0,
    recordWords: (_payload, _hasSinks, index) => layout.recordWords(sealed[index].hasCodes),
    sideWords: (side) => kvHeadCount * (side === KEY ? headSize : BLOCK_TOKEN_COUNT),
  };
}

async function createKernels(gpu: Gpu, options: CodecCache<XquantCodec>): Promise<SealKernels> {
  const { cache, codec } = options;
  const { layout } = codec;
  const { sealed, windowTileCount: tileCount } = cache;
  const { length: storeCount } = sealed;
  const quantise = await KvQuantiseXquantKernel.create(gpu, { layout, storeCount, tileCount });
  const measureJobs = slotBuffer(gpu, options, ["measure jobs", JOB_WORDS]);
  const records = slotBuffer(gpu, options, ["records", storeCount * layout.ownWords]);
  const flags = slotBuffer(gpu, options, ["flags", 1]);
  const bound = sealed.map(({ window, hasCodes }, store) =>
    quantise.bind({ jobs: measureJobs, window, records, flags }, { store, hasCodes })
  );
  return {
    layout: sealLayout(codec, sealed),
    measureJobs,
    sizes: null,
    flags,
    encodeMeasures(pass, { quantisedCount: jobCount }) {
      for (const one of bound) quantise.encode(pass, one, jobCount);
    },
    encodePacks(encoder, packs) {
      for (const { scratchIndex, targets } of packs) {
        for (const [index, target] of targets.entries()) {
          const { store, hasCodes } = sealed[index];
          const source = (scratchIndex * storeCount + index) * layout.ownWords * WORD_SIZE_BYTES;
          const sizeBytes = layout.recordWords(hasCodes) * WORD_SIZE_BYTES;
          const arena = cache.arenaOfStore(store);
          encoder.copyBufferToBuffer(records, source, arena, target * WORD_SIZE_BYTES, sizeBytes);
        }
      }
    },
    destroy() {
      for (const buffer of [measureJobs, records, flags]) gpu.destroyBuffer(buffer);
      quantise.destroy();
    },
  };
}

function createReaders(gpu: Gpu, { cache, codec }: CodecCache<XquantCodec>): BlockReaders {
  const { layout } = codec;
  const [before, own] = [false, true].map((hasCodes) => codeStartBuffer(gpu, layout, hasCodes));
  return recordReaders(gpu, cache, {
    attend: ({ shape, splits }) =>
      AttentionDecodeXquantKernel.create(gpu, { shape, splits, layout }),
    unpack: () => BlockUnpackXquantKernel.create(gpu, { layout }),
    ownOf: (layer) => {
      const { hasCodes } = cache.shape.stores[cache.storeOf(layer)];
      return { codeStart: hasCodes ? own : before };
    },
    destroy() {
      for (const buffer of [before, own]) gpu.destroyBuffer(buffer);
    },
  });
}

/** The device half of `xquant`. */
export const XQUANT_DEVICE: DeviceCodec<XquantCodec> = {
  decodeLanes: { operation: "attention_decode/xquant", variants: ATTENTION_DECODE_VARIANTS },
  gatherGap: () => NO_GATHER_KERNEL,
  dropGap: () => WHOLE_RECORDS,
  valueGap: () => JOINT_SIDES,
  async createSealer(gpu, options) {
    const kernels = await createKernels(gpu, options);
    return new BlockSealer(gpu, { cache: options.cache, kernels });
  },
  createReaders,
};
