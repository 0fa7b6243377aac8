/**
 * Int8 records on the device: quantising makes whole records, packing copies them.
 *
 * @module
 */

import type { Int8Codec } from "../../codec/int8/codec.ts";
import { SCALE_WORDS } from "../../codec/int8/layout.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { ATTENTION_DECODE_TEAM_VARIANTS } from "../../kernels/attention_decode/variants.ts";
import { AttentionDecodeInt8Kernel } from "../../kernels/attention_decode/int8.ts";
import { BlockUnpackInt8Kernel } from "../../kernels/block_unpack/int8.ts";
import { KvQuantiseInt8Kernel } from "../../kernels/kv_quantise/int8.ts";
import { type BlockReaders, recordReaders } from "../block_reader.ts";
import type { SealKernels, SealLayout } from "../block_sealer.ts";
import { type CodecCache, type DeviceCodec, sealerOf, WHOLE_RECORDS_ONLY } from "./device_codec.ts";
import { wholeRecordKernels } from "./whole_records.ts";

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
  const { cache: { sealed, windowTileCount: tileCount }, codec } = options;
  const { layout } = codec;
  const stores = { storeCount: sealed.length, tileCount };
  const quantise = await KvQuantiseInt8Kernel.create(gpu, { layout, ...stores });
  return wholeRecordKernels(gpu, options, {
    layout: sealLayout(codec),
    recordWordsMax: layout.recordWords,
    quantise,
    bind: (buffers, store) => quantise.bind(buffers, store),
  });
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
  decodeLanes: { operation: "attention_decode/int8", variants: ATTENTION_DECODE_TEAM_VARIANTS },
  ...WHOLE_RECORDS_ONLY,
  createSealer: sealerOf(createKernels),
  createReaders,
};
