/** What both ends of banded records know of a layer, on the device. */

import { assertEquals } from "@std/assert";
import { createCodec } from "../../src/codec/profile.ts";
import { rawTileFrom } from "../../src/codec/raw_tile.ts";
import { POINT_COUNT } from "../../src/codec/banded/points.ts";
import type { AnyCodec } from "../../src/codec/registry.ts";
import { rowWords } from "../../src/core/row.ts";
import type { Gpu } from "../../src/gpu/gpu.ts";
import type { BlockReaders } from "../../src/kvcache/block_reader.ts";
import { BandedLayout } from "../../src/codec/banded/layout.ts";
import { cacheShape } from "../../src/kvcache/cache_shape.ts";
import { createReaders, createSealer } from "../../src/kvcache/codecs/registry.ts";
import { KvCache } from "../../src/kvcache/kv_cache.ts";
import { seededTables } from "../support/banded_samples.ts";
import { assertSameBits, rowOf } from "../support/attention_case.ts";
import { sampleTile } from "../support/codec_samples.ts";
import { readU32, submitPass, testGpu } from "../support/gpu.ts";

const MODEL = { layerCount: 3, kvHeadCount: 1, headSize: 32 } as const;

Deno.test("tables of a layer are on the device once for what seals and what reads, as many bytes as are counted, and gone with the last of both", async () => {
  const gpu = await testGpu();
  const layout = new BandedLayout({ ...MODEL, sinkCount: 4 });
  const tables = Array.from({ length: 3 }, (_, layer) => seededTables(layout, layer));
  const codec = createCodec(MODEL, { name: "balanced" }, tables);
  const shape = cacheShape(MODEL as unknown as Parameters<typeof cacheShape>[0], {
    slotCount: 1,
    contextLength: 512,
    recordWordsMax: codec.recordWords.max,
    bindingSizeMax: 2 ** 27,
    // The second keeps a window and seals nothing.
    layerKeeps: ["sealed", { reach: 128 }, "sealed"],
  });
  const cache = new KvCache(gpu, shape);
  const before = gpu.allocatedBytes;
  const readers = createReaders(gpu, { cache, codec });
  // Bands of 32 channels of K and of V, steps of both, factors: 1,088 words, which are whole 256 B.
  // The points of balls are of all layers.
  assertEquals(gpu.allocatedBytes - before, 4 * (3 * 1088 + POINT_COUNT));
  const filled: number[] = [];
  const { createBufferWith } = gpu;
  gpu.createBufferWith = (label, data) => {
    filled.push(data.byteLength);
    return createBufferWith.call(gpu, label, data);
  };
  const sealer = await createSealer(gpu, { cache, codec });
  gpu.createBufferWith = createBufferWith;
  assertEquals(filled, [708 * 4, 708 * 4], "of the quantiser, for each store that seals");
  assertEquals(codec.tableWords, 3 * (1088 + 708) + POINT_COUNT);
  sealer.destroy();
  await checkReads(gpu, { cache, codec, readers });
  readers.destroy();
  assertEquals(gpu.allocatedBytes, before);
  cache.destroy();
});

/** Records of each store that seals are read with the tables of its layer. */
async function checkReads(
  gpu: Gpu,
  { cache, codec, readers }: { cache: KvCache; codec: AnyCodec; readers: BlockReaders },
): Promise<void> {
  const row = rowOf({ slot: 0, position: 200, blockCount: 1 }, cache.shape.blockCountMax);
  const rows = gpu.createBufferWith("rows", rowWords([row]));
  const tiles = gpu.createBuffer("tiles", cache.shape.tileWords * 4);
  const unpacker = await readers.unpacker({ rows, tiles });
  for (const { store, layer } of cache.sealed) {
    const tile = sampleTile("gaussian", MODEL, 60 + layer);
    const record = codec.pack(tile, { layer, blockIndex: 1 });
    gpu.write(cache.arenaOfStore(store), 0, new Uint32Array(record));
    cache.writeDirectory({ slot: 0, blockIndex: 1, listIndex: 0, recordOffsets: [0, 0, 0] });
    submitPass(gpu, (pass) => unpacker!.encode(pass, store, 1));
    const { keys, values } = codec.unpack(record, { layer, blockIndex: 1 });
    const read = await readU32(gpu, tiles, cache.shape.tileWords);
    assertSameBits(read, rawTileFrom(MODEL, keys, values));
  }
  unpacker!.destroy();
  for (const buffer of [rows, tiles]) gpu.destroyBuffer(buffer);
}
