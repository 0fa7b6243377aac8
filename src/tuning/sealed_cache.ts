/**
 * A cache of one sequence with random keys and values, sealed by a model's codec: what attention
 * is timed on.
 *
 * @module
 */

import type { AnyCodec } from "../codec/registry.ts";
import { NO_RECORD, type Row } from "../core/row.ts";
import { seededRandom } from "../core/seeded_random.ts";
import { BLOCK_TOKEN_COUNT, WINDOW_TILE_COUNT } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { ReadBack } from "../gpu/read_back.ts";
import type { CacheShape } from "../kvcache/cache_shape.ts";
import { keepsAll } from "../kvcache/store.ts";
import { createSealer } from "../kvcache/codecs/registry.ts";
import { KvCache } from "../kvcache/kv_cache.ts";
import type { Sealer } from "../kvcache/sealer.ts";

/** Blocks that differ; the read list names them in turn. */
export const DISTINCT_COUNT = WINDOW_TILE_COUNT;

/** Halves with a sign, exponents of 1/8 to 1, and any mantissa: keys and values of a usual size. */
const [SIGN_AND_MANTISSA, EXPONENT_FIRST, EXPONENT_COUNT] = [0x83ff, 12, 3];

/** Makes the cache. Its read lists are full. */
export async function sealedCache(
  gpu: Gpu,
  { shape, codec }: { shape: CacheShape; codec: AnyCodec },
): Promise<KvCache> {
  const cache = new KvCache(gpu, shape);
  fillWindows(gpu, cache);
  const sealer = await createSealer(gpu, { cache, codec });
  const readBack = ReadBack.create(gpu, "tuning sizes", sealer.resultSizeBytes);
  const nextWords = shape.groups.map(() => 0);
  const records: number[][] = [];
  for (let blockIndex = 1; blockIndex <= DISTINCT_COUNT; blockIndex++) {
    records.push(await seal(gpu, { cache, sealer, readBack, blockIndex, nextWords }));
  }
  for (let listIndex = 0; listIndex < shape.blockCountMax; listIndex++) {
    // Layers that see a window are not run: their lists are not filled.
    const recordOffsets = records[listIndex % DISTINCT_COUNT].map((offset, store) =>
      keepsAll(shape.stores[store]) ? offset : NO_RECORD
    );
    cache.writeDirectory({ slot: 0, blockIndex: 1 + listIndex, listIndex, recordOffsets });
  }
  readBack.destroy();
  sealer.destroy();
  return cache;
}

/** The newest row of its sequence, behind all blocks and the whole tiles of the window. */
export function newestRow({ blockCountMax, windowBlockCount }: CacheShape): Row {
  const tileCount = Math.max(1, windowBlockCount);
  const position = (blockCountMax + tileCount) * BLOCK_TOKEN_COUNT - 1;
  const reads = { listStart: 0, listCount: blockCountMax, firstWindowBlock: blockCountMax };
  return { slot: 0, position, ...reads, idIndex: 0 };
}

function fillWindows(gpu: Gpu, { windows }: KvCache): void {
  const random = seededRandom(7);
  const half = () => {
    const exponent = EXPONENT_FIRST + Math.floor(random() * EXPONENT_COUNT);
    return Math.floor(random() * 0x10000) & SIGN_AND_MANTISSA | exponent << 10;
  };
  const sizeBytes = Math.max(...windows.map(({ size }) => size));
  const words = Uint32Array.from({ length: sizeBytes / 4 }, () => (half() | half() << 16) >>> 0);
  for (const window of windows) gpu.write(window, 0, words.subarray(0, window.size / 4));
}

/** Measures and packs a tile of the window; the words of its records. */
async function seal(
  gpu: Gpu,
  { cache, sealer, readBack, blockIndex, nextWords }: {
    cache: KvCache;
    sealer: Sealer;
    readBack: ReadBack;
    blockIndex: number;
    /** By arena group: the first free word. */
    nextWords: number[];
  },
): Promise<number[]> {
  const measures = [{ sequenceId: 0, slot: 0, blockIndex }];
  const measuring = gpu.device.createCommandEncoder();
  sealer.encodeMeasures(measuring, measures);
  sealer.encodeResultCopy(measuring, readBack, 0);
  gpu.device.queue.submit([measuring.finish()]);
  const words = new Uint32Array(await readBack.read(sealer.resultSizeBytes));
  const { recordWords: [recordWords] } = sealer.readResults(measures, words);
  const recordOffsets = recordWords.map((wordCount, store) => {
    const { group } = cache.shape.stores[store];
    nextWords[group] += wordCount;
    return nextWords[group] - wordCount;
  });
  const packing = gpu.device.createCommandEncoder();
  const at = { slot: 0, blockIndex, listIndex: 0, jobIndex: 0 };
  sealer.encodePacks(packing, [{ ...at, recordOffsets }]);
  gpu.device.queue.submit([packing.finish()]);
  return recordOffsets;
}
