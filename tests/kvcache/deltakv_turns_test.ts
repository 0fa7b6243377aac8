/** What both ends of DeltaKV records know of a layer, on the device. */

import { assertEquals } from "@std/assert";
import { DeltaKvCodec } from "../../src/codec/deltakv/codec.ts";
import { DELTAKV_PROFILES } from "../../src/codec/deltakv/settings.ts";
import { cacheShape } from "../../src/kvcache/cache_shape.ts";
import { createReaders, createSealer } from "../../src/kvcache/codecs/registry.ts";
import { KvCache } from "../../src/kvcache/kv_cache.ts";
import { sampleTurns } from "../support/described_tiles.ts";
import { testGpu } from "../support/gpu.ts";

const MODEL = { layerCount: 3, kvHeadCount: 3, headSize: 64 } as const;

Deno.test("turns of keys are on the device once for what seals and what reads, as many words as are counted, and gone with the last of both", async () => {
  const gpu = await testGpu();
  const [some, others] = [sampleTurns(64), new Uint32Array(32)];
  const profile = DELTAKV_PROFILES.profile({ name: "deltakv" });
  const codec = new DeltaKvCodec(MODEL, profile, [some, others, some]);
  const shape = cacheShape(MODEL as unknown as Parameters<typeof cacheShape>[0], {
    slotCount: 1,
    contextLength: 512,
    recordWordsMax: codec.recordWords.max,
    bindingSizeMax: 2 ** 27,
  });
  const cache = new KvCache(gpu, shape);
  const before = gpu.allocatedBytes;
  const turnWords: number[] = [];
  const { createBufferWith } = gpu;
  gpu.createBufferWith = (label, data) => {
    if (label === "turns of keys") turnWords.push(data.byteLength / 4);
    return createBufferWith.call(gpu, label, data);
  };
  const sealer = await createSealer(gpu, { cache, codec });
  const readers = createReaders(gpu, { cache, codec });
  const rows = gpu.createBuffer("rows", 256);
  const tiles = gpu.createBuffer("tiles", shape.tileWords * 4);
  const unpacker = await readers.unpacker({ rows, tiles });
  gpu.createBufferWith = createBufferWith;
  assertEquals(turnWords, [64 * 32, 64 * 32], "of two kinds of layers");
  assertEquals(codec.tableWords, 2 * 64 * 32);
  sealer.destroy();
  unpacker!.destroy();
  for (const buffer of [rows, tiles]) gpu.destroyBuffer(buffer);
  assertEquals(gpu.allocatedBytes - before, 4 * codec.tableWords, "readers hold them");
  readers.destroy();
  assertEquals(gpu.allocatedBytes, before);
  cache.destroy();
});
