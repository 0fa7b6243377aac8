import { assert, assertEquals } from "@std/assert";
import { DeltaKvLayout } from "../../../src/codec/deltakv/layout.ts";
import { packDeltaKv } from "../../../src/codec/deltakv/record.ts";
import { DELTAKV_PROFILES } from "../../../src/codec/deltakv/settings.ts";
import { turnWords } from "../../../src/codec/deltakv/centres.ts";
import { rawTileWords } from "../../../src/codec/record.ts";
import { packJobWords, scratchBlock } from "../../../src/codec/scratch.ts";
import { WINDOW_TILE_COUNT } from "../../../src/core/shapes.ts";
import { KvDescribeDeltaKvKernel } from "../../../src/kernels/kv_describe/deltakv.ts";
import { KvPackPaperKernel } from "../../../src/kernels/kv_pack/paper.ts";
import { kvDescribeDeltaKvReference } from "../../../src/reference/kv_describe/deltakv.ts";
import { kvQuantisePaperReference } from "../../../src/reference/kv_quantise/paper.ts";
import { sampleTile } from "../../support/codec_samples.ts";
import { describedTile, sampleTurns } from "../../support/described_tiles.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";

const CASES = [
  { shape: { kvHeadCount: 3, headSize: 64 }, settings: {} },
  {
    // More sections than a word has flags, and codes of 8 bits.
    shape: { kvHeadCount: 17, headSize: 32 },
    settings: { keyRel: 1 / 254, packSize: 32, stride: 16, neighbourCount: 1 },
  },
] as const;
/** By job, one of each store: described well, hardly, and not at all. */
const TILES = [
  (shape: DeltaKvLayout, turns: Uint32Array) => describedTile(shape, { seed: 1, turns }),
  (shape: DeltaKvLayout, turns: Uint32Array) => describedTile(shape, { seed: 2, noise: 1, turns }),
  (shape: DeltaKvLayout) => sampleTile("any bits", shape, 5),
  (shape: DeltaKvLayout) => sampleTile("gaussian", shape, 3),
];

function caseOf({ shape, settings }: typeof CASES[number]) {
  const profile = DELTAKV_PROFILES.profile({ name: "deltakv", ...settings });
  const layout = new DeltaKvLayout(shape, profile);
  const turns = [sampleTurns(shape.headSize), new Uint32Array(shape.headSize / 2)];
  const tileWords = rawTileWords(shape);
  const jobs = TILES.map((_, index) => {
    return { slot: index, tile: 0, tokenCount: 64, scratchIndex: index };
  });
  const windows = turns.map((own) => {
    const window = new Uint32Array(TILES.length * WINDOW_TILE_COUNT * tileWords);
    TILES.forEach((tileOf, job) =>
      window.set(tileOf(layout, own), job * WINDOW_TILE_COUNT * tileWords)
    );
    return window;
  });
  const scratch = kvQuantisePaperReference(layout.paper, { jobs, windows }, profile);
  const words = turns.map((own) => turnWords(own, shape.headSize));
  return { layout, jobs, scratch, turns: words };
}

async function describeOnGpu({ layout, jobs, scratch, turns }: ReturnType<typeof caseOf>) {
  const gpu = await testGpu();
  const entryCount = jobs.length * turns.length;
  const kernel = await KvDescribeDeltaKvKernel.create(gpu, { layout, storeCount: turns.length });
  const sizesOf = { order: 64, sizes: layout.paper.sectionCount, heads: layout.headWords(true) };
  const make = (name: keyof typeof sizesOf) =>
    gpu.createBuffer(name, entryCount * sizesOf[name] * 4);
  const buffers = {
    codes: gpu.createBufferWith("codes", scratch.codes),
    params: gpu.createBufferWith("params", scratch.params),
    order: make("order"),
    sizes: make("sizes"),
    heads: make("heads"),
  };
  submitPass(gpu, (pass) => {
    turns.forEach((words, store) => {
      const own = gpu.createBufferWith("turns", words);
      kernel.encode(pass, kernel.bind({ ...buffers, turns: own }, store), jobs.length);
    });
  });
  const read = (name: keyof typeof sizesOf) =>
    readU32(gpu, buffers[name], entryCount * sizesOf[name]);
  const codes = await readU32(gpu, buffers.codes, scratch.codes.length / 4);
  const made = {
    codes: new Uint8Array(codes.buffer),
    order: await read("order"),
    sizes: await read("sizes"),
    heads: await read("heads"),
  };
  return { gpu, buffers, made };
}

for (const own of CASES) {
  Deno.test(`KvDescribeDeltaKvKernel equals its reference, and what is packed of it the CPU's record, bit for bit (${JSON.stringify(own)})`, async () => {
    const input = caseOf(own);
    const { layout, jobs, scratch, turns } = input;
    const expected = kvDescribeDeltaKvReference(layout, scratch, { jobCount: jobs.length, turns });
    const { gpu, buffers, made } = await describeOnGpu(input);
    assertEquals(made, expected);
    const records = Array.from({ length: jobs.length * turns.length }, (_, entry) => {
      const block = scratchBlock(layout, { ...scratch, ...expected }, { entry, tokenCount: 64 });
      const [order, sizes] = [expected.order, expected.sizes].map((all) => {
        const count = all.length / jobs.length / turns.length;
        return all.subarray(entry * count, (entry + 1) * count);
      });
      const words = layout.headWords(true);
      const wide = expected.heads.subarray(entry * words, (entry + 1) * words);
      const head = wide.subarray(0, layout.headWords(layout.hasTable(wide)));
      return packDeltaKv(layout, { head, block, order, sizes });
    });
    const tables = records.map((record) => layout.hasTable(record));
    assert(tables.includes(true) && tables.includes(false), "some blocks are described");

    const packed = await packOnGpu(gpu, { ...input, buffers, records });
    assertEquals(packed, Uint32Array.from(records.flatMap((record) => [...record])));
  });
}

/** Records one after the other, their heads as the sealer copies them. */
async function packOnGpu(
  gpu: Awaited<ReturnType<typeof testGpu>>,
  { layout, jobs, turns, buffers, records }: ReturnType<typeof caseOf> & {
    buffers: Awaited<ReturnType<typeof describeOnGpu>>["buffers"];
    records: readonly Uint32Array[];
  },
): Promise<Uint32Array> {
  const { paper, flagWords, tableWords } = layout;
  const options = { layout: paper, storeCount: turns.length, head: { flagWords, tableWords } };
  const kernel = await KvPackPaperKernel.create(gpu, options);
  let end = 0;
  const targets = Uint32Array.from(records, ({ length }) => (end += length) - length);
  const arena = gpu.createBuffer("arena", end * 4);
  const headBytes = layout.headWords(true) * 4;
  const encoder = gpu.device.createCommandEncoder();
  targets.forEach((target, entry) =>
    encoder.copyBufferToBuffer(buffers.heads, entry * headBytes, arena, target * 4, headBytes)
  );
  gpu.device.queue.submit([encoder.finish()]);
  const bound = kernel.bind({
    ...buffers,
    jobs: gpu.createBufferWith("jobs", packJobWords(jobs)),
    targets: gpu.createBufferWith("targets", targets),
    arena,
  }, 0);
  const counts = { jobCount: jobs.length, storeCount: turns.length };
  submitPass(gpu, (pass) => kernel.encode(pass, bound, counts));
  return await readU32(gpu, arena, end);
}
