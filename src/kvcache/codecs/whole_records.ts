/**
 * Sealing with codecs that quantise to whole records: nothing is measured, and packing copies them
 * out of scratch.
 *
 * @module
 */

import { NO_RECORD } from "../../core/row.ts";
import { WORD_SIZE_BYTES } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import type {
  RecordQuantiserBuffers,
  StoreQuantiser,
} from "../../kernels/kv_quantise/store_quantiser.ts";
import type { SealKernels, SealLayout } from "../block_sealer.ts";
import type { KvCache } from "../kv_cache.ts";
import { JOB_WORDS, slotBuffer } from "../seal_scratch.ts";

/**
 * The kernels of such a codec, bound to scratch and a cache.
 *
 * @param make `layout`: of its records. `recordWordsMax`: words of the largest, which scratch has
 * room for. `quantise`: what makes them; owned. `bind`: binds it for a sealed store.
 */
export function wholeRecordKernels(
  gpu: Gpu,
  options: { cache: KvCache },
  make: {
    layout: SealLayout;
    recordWordsMax: number;
    quantise: StoreQuantiser;
    bind: (buffers: RecordQuantiserBuffers, sealedIndex: number) => GPUBindGroup;
  },
): SealKernels {
  const { cache } = options;
  const { layout, recordWordsMax, quantise } = make;
  const { sealed } = cache;
  const { length: storeCount } = sealed;
  const measureJobs = slotBuffer(gpu, options, ["measure jobs", JOB_WORDS]);
  const records = slotBuffer(gpu, options, ["records", storeCount * recordWordsMax]);
  const flags = slotBuffer(gpu, options, ["flags", 1]);
  const bound = sealed.map(({ window }, index) =>
    make.bind({ jobs: measureJobs, window, records, flags }, index)
  );
  return {
    layout,
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
          const source = (scratchIndex * storeCount + index) * recordWordsMax * WORD_SIZE_BYTES;
          const sizeBytes = layout.recordWords(0, false, index) * WORD_SIZE_BYTES;
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
