import { assert } from "@std/assert";
import { Int8Layout } from "../../../src/codec/int8/layout.ts";
import { KvQuantiseInt8Kernel } from "../../../src/kernels/kv_quantise/int8.ts";
import { kvQuantiseInt8Reference } from "../../../src/reference/kv_quantise/int8.ts";
import { assertSameBits } from "../../support/attention_case.ts";
import { testGpu } from "../../support/gpu.ts";
import {
  assertFlagged,
  JOBS,
  quantiseRecords,
  sampleWindows,
} from "../../support/record_quantiser.ts";

async function quantiseOnGpu(layout: Int8Layout, windows: readonly Uint32Array[]) {
  const gpu = await testGpu();
  const kernel = await KvQuantiseInt8Kernel.create(gpu, { layout, storeCount: windows.length });
  return await quantiseRecords(kernel, windows, {
    recordWords: layout.recordWords,
    bind: (buffers, store) => kernel.bind(buffers, store),
  });
}

const SHAPES = [
  { kvHeadCount: 3, headSize: 64 },
  { kvHeadCount: 1, headSize: 32 },
  { kvHeadCount: 2, headSize: 256 },
];

for (const shape of SHAPES) {
  Deno.test(`KvQuantiseInt8Kernel equals its reference bit for bit (${JSON.stringify(shape)})`, async () => {
    const layout = new Int8Layout(shape);
    const windows = sampleWindows(shape);
    const expected = kvQuantiseInt8Reference(layout, { jobs: JOBS, windows });
    const actual = await quantiseOnGpu(layout, windows);
    assertSameBits(actual.records, expected.records);
    assert(actual.flags.every((flag) => flag === 0), "finite blocks are not refused");
  });
}

Deno.test("KvQuantiseInt8Kernel flags blocks with infinity or NaN in either side, and no others", async () => {
  const [shape] = SHAPES;
  await assertFlagged(shape, (windows) => quantiseOnGpu(new Int8Layout(shape), windows));
});
