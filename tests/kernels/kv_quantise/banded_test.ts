import { rawTileWords } from "../../../src/codec/record.ts";
import { WINDOW_TILE_COUNT } from "../../../src/core/shapes.ts";
import { assert, assertEquals } from "@std/assert";
import { quantiserWords, TOKEN_STEP_MAX } from "../../../src/codec/banded/tables.ts";
import { rawTileFrom } from "../../../src/codec/raw_tile.ts";
import { KvQuantiseBandedKernel } from "../../../src/kernels/kv_quantise/banded.ts";
import { kvQuantiseBandedReference } from "../../../src/reference/kv_quantise/banded.ts";
import { assertSameBits } from "../../support/attention_case.ts";
import {
  BANDED_CASES,
  bandedInput,
  bandedJobWords,
  caseName,
  STORE_COUNT,
} from "../../support/banded_case.ts";
import { seededTables } from "../../support/banded_samples.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";

type Input = ReturnType<typeof bandedInput>;

/** Quantises all layers on the GPU and reads the scratch buffers. */
async function quantiseOnGpu({ layout, tables, windows, jobs }: Input) {
  const gpu = await testGpu();
  const storeCount = STORE_COUNT;
  const kernel = await KvQuantiseBandedKernel.create(gpu, { layout, storeCount });
  const entryCount = jobs.length * storeCount;
  const words = {
    codes: entryCount * layout.channelCount * 32,
    params: entryCount * 128,
    sinks: entryCount * layout.sinkWords(true),
    flags: jobs.length,
  };
  const scratch = {
    codes: gpu.createBuffer("codes", words.codes * 4),
    params: gpu.createBuffer("params", words.params * 4),
    sinks: gpu.createBuffer("sinks", words.sinks * 4),
    flags: gpu.createBuffer("flags", words.flags * 4),
  };
  const jobsBuffer = gpu.createBufferWith("jobs", bandedJobWords(jobs));
  const bounds = windows.map((window, layer) =>
    kernel.bind({
      jobs: jobsBuffer,
      window: gpu.createBufferWith("window", window),
      tables: gpu.createBufferWith("tables", quantiserWords(tables[layer])),
      ...scratch,
    }, layer)
  );
  submitPass(gpu, (pass) => {
    for (const bound of bounds) kernel.encode(pass, bound, jobs.length);
  });
  kernel.destroy();
  const codes = await readU32(gpu, scratch.codes, words.codes);
  return {
    codes: new Uint8Array(codes.buffer),
    params: await readU32(gpu, scratch.params, words.params),
    sinks: await readU32(gpu, scratch.sinks, words.sinks),
    flags: await readU32(gpu, scratch.flags, words.flags),
  };
}

type Scratch = Awaited<ReturnType<typeof quantiseOnGpu>>;

function assertSameScratch(actual: Scratch, expected: Scratch): void {
  for (const name of ["params", "sinks", "flags"] as const) {
    assertSameBits(actual[name], expected[name]);
  }
  assertSameBits(new Uint32Array(actual.codes.buffer), new Uint32Array(expected.codes.buffer));
}

for (const bandedCase of BANDED_CASES) {
  Deno.test(`KvQuantiseBandedKernel equals its reference bit for bit at ${caseName(bandedCase)}`, async () => {
    const input = bandedInput(bandedCase);
    const expected = kvQuantiseBandedReference(input.layout, input);
    assertSameScratch(await quantiseOnGpu(input), expected);
  });
}

Deno.test("KvQuantiseBandedKernel takes coarser steps than V's magnitude asks for where codes would not fit", async () => {
  const input = bandedInput(BANDED_CASES[0]);
  // Steps so fine that no token step makes the codes of the largest values fit.
  input.tables = [1e-3, 1e-12].map((step) => seededTables(input.layout, 4, { step }));
  const scratch = await quantiseOnGpu(input);
  const { params, codes } = scratch;
  assertSameScratch(scratch, kvQuantiseBandedReference(input.layout, input));
  assert(params.includes(TOKEN_STEP_MAX), "some tokens reach the last step");
  assert(codes.includes(1) && codes.includes(255), "codes are clipped at both ends");
});

Deno.test("KvQuantiseBandedKernel flags blocks with infinity or NaN in any token, sinks too, and no others", async () => {
  const input = bandedInput(BANDED_CASES[0]);
  const { layout, windows } = input;
  const tileWords = rawTileWords(layout);
  const placed: { value: number; side: 0 | 1; token: number; firstToken: number; flag: number }[] =
    [
      { value: Infinity, side: 0, token: 50, firstToken: 0, flag: 1 },
      { value: -Infinity, side: 1, token: 0, firstToken: 0, flag: 1 },
      { value: NaN, side: 0, token: 3, firstToken: 4, flag: 1 },
      { value: NaN, side: 1, token: 0, firstToken: 4, flag: 1 },
      { value: Infinity, side: 1, token: 63, firstToken: 4, flag: 1 },
      { value: -65504, side: 0, token: 2, firstToken: 4, flag: 0 },
    ];
  input.jobs = placed.map(({ value, side, token, firstToken }, index) => {
    const values = new Float32Array(64 * layout.channelCount);
    values[token * layout.channelCount + 76 + (index & 1)] = value; // both halves of a word
    const tile = side === 0 ? rawTileFrom(layout, values, []) : rawTileFrom(layout, [], values);
    windows[1].set(tile, index * tileWords);
    const slot = Math.floor(index / WINDOW_TILE_COUNT);
    return { slot, tile: index % WINDOW_TILE_COUNT, firstToken };
  });
  const { flags } = await quantiseOnGpu(input);
  assertEquals([...flags], placed.map(({ flag }) => flag));
  assertEquals(flags, kvQuantiseBandedReference(layout, input).flags);
});
