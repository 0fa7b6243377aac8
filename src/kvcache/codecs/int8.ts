/**
 * Int8 records on the device: quantising makes whole records, packing copies them.
 *
 * @module
 */

import type { Int8Codec } from "../../codec/int8/codec.ts";
import { SCALE_WORDS } from "../../codec/int8/layout.ts";
import { NO_RECORD } from "../../core/row.ts";
import { WORD_SIZE_BYTES } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { ATTENTION_DECODE_VARIANTS } from "../../kernels/attention_decode/variants.ts";
import { AttentionDecodeInt8Kernel } from "../../kernels/attention_decode/int8.ts";
import { BlockUnpackInt8Kernel } from "../../kernels/block_unpack/int8.ts";
import { KvQuantiseInt8Kernel } from "../../kernels/kv_quantise/int8.ts";
import { type BlockReaders, recordReaders } from "../block_reader.ts";
import { BlockSealer, type SealKernels, type SealLayout } from "../block_sealer.ts";
import { JOB_WORDS, slotBuffer } from "../seal_scratch.ts";
import {
  type CodecCache,
  type DeviceCodec,
  JOINT_SIDES,
  NO_GATHER_KERNEL,
  WHOLE_RECORDS,
} from "./device_codec.ts";

/** Nothing is measured: a side has half of each record, of which its scales are no payload. */
function sealLayout({ layout }: Int8Codec): SealLayout {
  const { channelCount, kvHeadCount, sectionWords, recordWords } = layout;
  const payloadWords = kvHeadCount * (sectionWords - SCALE_WORDS);
  return {
    channelCount,
    sinkCount: 0,
    sectionCount: 0,
    sideOf: () => 0,
    fixedPayloadWords: () => payloadWords,
    recordWords: () => recordWords,
    sideWords: () => kvHeadCount * SCALE_WORDS,
  };
}

async function createKernels(gpu: Gpu, options: CodecCache<Int8Codec>): Promise<SealKernels> {
  const { cache, codec } = options;
  const { layout } = codec;
  const { sealed, windowTileCount: tileCount } = cache;
  const { length: storeCount } = sealed;
  const sizeBytes = layout.recordWords * WORD_SIZE_BYTES;
  const quantise = await KvQuantiseInt8Kernel.create(gpu, { layout, storeCount, tileCount });
  const measureJobs = slotBuffer(gpu, options, ["measure jobs", JOB_WORDS]);
  const records = slotBuffer(gpu, options, ["records", storeCount * layout.recordWords]);
  const flags = slotBuffer(gpu, options, ["flags", 1]);
  const bound = sealed.map(({ window }, store) =>
    quantise.bind({ jobs: measureJobs, window, records, flags }, store)
  );
  return {
    layout: sealLayout(codec),
    measureJobs,
    sizes: null,
    flags,
    encodeMeasures(pass, { quantisedCount: jobCount }) {
      for (const one of bound) quantise.encode(pass, one, jobCount);
    },
    encodePacks(encoder, packs) {
      for (const { scratchIndex, targets } of packs) {
        for (const [index, target] of targets.entries()) {
          if (target === NO_RECORD) continue;
          const source = (scratchIndex * storeCount + index) * sizeBytes;
          const arena = cache.arenaOfStore(sealed[index].store);
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

function createReaders(gpu: Gpu, { cache, codec }: CodecCache<Int8Codec>): BlockReaders {
  const { layout } = codec;
  return recordReaders(gpu, cache, {
    attend: ({ shape, splits }) => AttentionDecodeInt8Kernel.create(gpu, { shape, splits, layout }),
    unpack: () => BlockUnpackInt8Kernel.create(gpu, { layout }),
    ownOf: () => ({}),
  });
}

/** The device half of `int8`. */
export const INT8_DEVICE: DeviceCodec<Int8Codec> = {
  decodeLanes: { operation: "attention_decode/int8", variants: ATTENTION_DECODE_VARIANTS },
  gatherGap: () => NO_GATHER_KERNEL,
  dropGap: () => WHOLE_RECORDS,
  valueGap: () => JOINT_SIDES,
  async createSealer(gpu, options) {
    const kernels = await createKernels(gpu, options);
    return new BlockSealer(gpu, { cache: options.cache, kernels });
  },
  createReaders,
};
