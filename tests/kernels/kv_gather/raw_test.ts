import { rawTileWords } from "../../../src/codec/record.ts";
import { gatherWords } from "../../../src/kernels/kv_gather/gathers.ts";
import { KvGatherRawKernel } from "../../../src/kernels/kv_gather/raw.ts";
import { kvGatherRawReference } from "../../../src/reference/kv_gather/raw.ts";
import { assertSameBits } from "../../support/attention_case.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";
import { seededRandom } from "../../support/numeric.ts";

const STORE_COUNT = 2;

for (const shape of [{ kvHeadCount: 3, headSize: 64 }, { kvHeadCount: 1, headSize: 96 }]) {
  Deno.test(`KvGatherRawKernel copies tokens bit for bit with ${shape.kvHeadCount} heads of ${shape.headSize}`, async () => {
    const random = seededRandom(7);
    const tileWords = rawTileWords(shape);
    const arena = Uint32Array.from({ length: 5 * tileWords + 8 }, () => random() * 2 ** 32);
    const draw = (count: number) =>
      Uint32Array.from(
        Array.from({ length: count }, () => [
          4 + tileWords * Math.floor(random() * 5),
          Math.floor(random() * 64),
        ]).flat(),
      );
    const gathers = [[64, 3], [0, 40]].map((counts, index) => ({
      scratchIndex: index + 1,
      sources: counts.map(draw),
      sinkRecords: null,
      keptChannels: null,
    }));
    const gpu = await testGpu();
    const kernel = await KvGatherRawKernel.create(gpu, { shape, storeCount: STORE_COUNT });
    const words = 3 * STORE_COUNT * tileWords;
    const tiles = gpu.createBuffer("tiles", words * 4);
    const bound = kernel.bind({
      gathers: gpu.createBufferWith("gathers", gatherWords(gathers)),
      arena: gpu.createBufferWith("arena", arena),
      tiles,
    }, 0);
    submitPass(gpu, (pass) => kernel.encode(pass, bound, { jobCount: 2, storeCount: 2 }));
    const made = await readU32(gpu, tiles, words);
    for (const { scratchIndex, sources } of gathers) {
      for (const [store, own] of sources.entries()) {
        const start = (scratchIndex * STORE_COUNT + store) * tileWords;
        const tile = made.subarray(start, start + tileWords);
        assertSameBits(tile, kvGatherRawReference(shape, arena, own));
      }
    }
    kernel.destroy();
  });
}
