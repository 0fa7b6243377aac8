/**
 * XQuant records on the device: quantising makes whole records, packing copies them. One without
 * codes lies right behind the record whose codes it is read with.
 *
 * @module
 */

import { KEY } from "../../codec/record.ts";
import type { XquantCodec } from "../../codec/xquant/codec.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { AttentionDecodeXquantKernel } from "../../kernels/attention_decode/xquant.ts";
import { ATTENTION_DECODE_TEAM_VARIANTS } from "../../kernels/attention_decode/variants.ts";
import { BlockUnpackXquantKernel } from "../../kernels/block_unpack/xquant.ts";
import { KvQuantiseXquantKernel } from "../../kernels/kv_quantise/xquant.ts";
import { codeStartBuffer } from "../../kernels/text/xquant.ts";
import { type BlockReaders, recordReaders } from "../block_reader.ts";
import type { SealKernels, SealLayout } from "../block_sealer.ts";
import type { SealedStore } from "../kv_cache.ts";
import { type CodecCache, type DeviceCodec, sealerOf, WHOLE_RECORDS_ONLY } from "./device_codec.ts";
import { wholeRecordKernels } from "./whole_records.ts";

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
  const { cache: { sealed, windowTileCount: tileCount }, codec } = options;
  const { layout } = codec;
  const stores = { storeCount: sealed.length, tileCount };
  const quantise = await KvQuantiseXquantKernel.create(gpu, { layout, ...stores });
  return wholeRecordKernels(gpu, options, {
    layout: sealLayout(codec, sealed),
    recordWordsMax: layout.ownWords,
    quantise,
    bind: (buffers, store) => quantise.bind(buffers, { store, hasCodes: sealed[store].hasCodes }),
  });
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
  decodeLanes: { operation: "attention_decode/xquant", variants: ATTENTION_DECODE_TEAM_VARIANTS },
  ...WHOLE_RECORDS_ONLY,
  createSealer: sealerOf(createKernels),
  createReaders,
};
