import { assert } from "@std/assert";
import { XquantLayout } from "../../../src/codec/xquant/layout.ts";
import { KvQuantiseXquantKernel } from "../../../src/kernels/kv_quantise/xquant.ts";
import { kvQuantiseXquantReference } from "../../../src/reference/kv_quantise/xquant.ts";
import { assertSameBits } from "../../support/attention_case.ts";
import { testGpu } from "../../support/gpu.ts";
import {
  assertFlagged,
  JOBS,
  quantiseRecords,
  sampleWindows,
} from "../../support/record_quantiser.ts";

/** The second layer reads the codes of the first. */
const hasCodesOf = (layer: number) => layer === 0;

async function quantiseOnGpu(layout: XquantLayout, windows: readonly Uint32Array[]) {
  const gpu = await testGpu();
  const kernel = await KvQuantiseXquantKernel.create(gpu, { layout, storeCount: windows.length });
  return await quantiseRecords(kernel, windows, {
    recordWords: layout.ownWords,
    bind: (buffers, store) => kernel.bind(buffers, { store, hasCodes: hasCodesOf(store) }),
  });
}

const CASES = [
  { shape: { kvHeadCount: 3, headSize: 64 }, bits: "2", shrink: 1 },
  { shape: { kvHeadCount: 1, headSize: 32 }, bits: "1", shrink: 0 },
  { shape: { kvHeadCount: 2, headSize: 256 }, bits: "2-1", shrink: 2 },
] as const;

const layoutOf = ({ shape, ...settings }: typeof CASES[number]) =>
  new XquantLayout(shape, { name: "xquant", ...settings });

for (const own of CASES) {
  Deno.test(`KvQuantiseXquantKernel equals its reference bit for bit (${JSON.stringify(own)})`, async () => {
    const layout = layoutOf(own);
    const windows = sampleWindows(own.shape);
    const stores = windows.map((window, layer) => ({ window, hasCodes: hasCodesOf(layer) }));
    const expected = kvQuantiseXquantReference(layout, { jobs: JOBS, stores });
    const actual = await quantiseOnGpu(layout, windows);
    assertSameBits(actual.records, expected.records);
    assert(actual.flags.every((flag) => flag === 0), "finite blocks are not refused");
  });
}

Deno.test("KvQuantiseXquantKernel flags blocks with infinity or NaN in either side, and no others", async () => {
  const [own] = CASES;
  await assertFlagged(own.shape, (windows) => quantiseOnGpu(layoutOf(own), windows));
});
