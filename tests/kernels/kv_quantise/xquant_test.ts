import { assert, assertEquals } from "@std/assert";
import { XquantLayout } from "../../../src/codec/xquant/layout.ts";
import { rawTileWords } from "../../../src/codec/record.ts";
import { WINDOW_TILE_COUNT } from "../../../src/core/shapes.ts";
import { KvQuantiseXquantKernel } from "../../../src/kernels/kv_quantise/xquant.ts";
import { kvQuantiseXquantReference } from "../../../src/reference/kv_quantise/xquant.ts";
import { assertSameBits } from "../../support/attention_case.ts";
import { SAMPLE_KINDS, sampleTile } from "../../support/codec_samples.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";

const SLOT_COUNT = Math.ceil(SAMPLE_KINDS.length / WINDOW_TILE_COUNT);
const JOBS = SAMPLE_KINDS.map((_, index) => ({
  slot: Math.floor(index / WINDOW_TILE_COUNT),
  tile: index % WINDOW_TILE_COUNT,
}));
const STORE_COUNT = 2;

/** Windows in which each tile holds another kind of values. */
function sampleWindows(shape: { kvHeadCount: number; headSize: number }): Uint32Array[] {
  const tileWords = rawTileWords(shape);
  return Array.from({ length: STORE_COUNT }, (_, layer) => {
    const window = new Uint32Array(SLOT_COUNT * WINDOW_TILE_COUNT * tileWords);
    SAMPLE_KINDS.forEach((kind, tile) => {
      window.set(sampleTile(kind, shape, 11 + layer), tile * tileWords);
    });
    return window;
  });
}

/** The second layer reads the codes of the first. */
const hasCodesOf = (layer: number) => layer === 0;

async function quantiseOnGpu(layout: XquantLayout, windows: readonly Uint32Array[]) {
  const gpu = await testGpu();
  const kernel = await KvQuantiseXquantKernel.create(gpu, { layout, storeCount: windows.length });
  const recordWords = JOBS.length * windows.length * layout.ownWords;
  const jobs = gpu.createBufferWith(
    "jobs",
    Uint32Array.from(JOBS.flatMap(({ slot, tile }) => [slot, tile, 64, 0])),
  );
  const records = gpu.createBuffer("records", recordWords * 4);
  const flags = gpu.createBuffer("flags", JOBS.length * 4);
  const bounds = windows.map((words, layer) =>
    kernel.bind(
      { jobs, window: gpu.createBufferWith("window", words), records, flags },
      { store: layer, hasCodes: hasCodesOf(layer) },
    )
  );
  submitPass(gpu, (pass) => {
    for (const bound of bounds) kernel.encode(pass, bound, JOBS.length);
  });
  kernel.destroy();
  return {
    records: await readU32(gpu, records, recordWords),
    flags: await readU32(gpu, flags, JOBS.length),
  };
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
  const { shape } = own;
  const windows = sampleWindows(shape);
  const tileWords = rawTileWords(shape);
  windows[0][2 * tileWords + 5] = 0x7c000000;
  windows[1][5 * tileWords + tileWords - 1] = 0x00007e00;
  const { flags } = await quantiseOnGpu(layoutOf(own), windows);
  assertEquals(Array.from(flags), [0, 0, 1, 0, 0, 1, 0, 0]);
});
