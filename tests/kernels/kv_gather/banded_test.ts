import { pointWords } from "../../../src/codec/banded/points.ts";
import { assertEquals } from "@std/assert";
import { layerTableWords } from "../../../src/codec/banded/tables.ts";
import { KvGatherBandedKernel } from "../../../src/kernels/kv_gather/banded.ts";
import { gatherWords, keptChannelWords } from "../../../src/kernels/kv_gather/gathers.ts";
import { kvGatherBandedReference } from "../../../src/reference/kv_gather/banded.ts";
import { kvMeasureBandedReference } from "../../../src/reference/kv_measure/banded.ts";
import { kvPackBandedReference } from "../../../src/reference/kv_pack/banded.ts";
import { assertSameBits } from "../../support/attention_case.ts";
import {
  BANDED_CASES,
  bandedInput,
  bandedScratch,
  caseName,
  STORE_COUNT,
} from "../../support/banded_case.ts";
import { keptChannels } from "../../support/dropped_channels.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";
import { seededRandom } from "../../support/numeric.ts";

for (const bandedCase of [BANDED_CASES[0], BANDED_CASES[2], BANDED_CASES[5]]) {
  Deno.test(`KvGatherBandedKernel gives the codes that were packed, bit for bit, at ${caseName(bandedCase)}`, async () => {
    const input = bandedInput(bandedCase);
    const { layout, tables, jobs } = input;
    const packed = bandedScratch(input);
    const { arena, targets } = sealAll(input, packed);
    const gathers = makeGathers(input, targets);
    const codes = new Uint8Array(packed.codes.length).fill(0xaa);
    const expected = {
      ...packed,
      codes,
      params: new Uint32Array(packed.params.length),
      sinks: new Uint32Array(packed.sinks.length),
    };
    const gpu = await testGpu();
    const scratch = {
      codes: gpu.createBufferWith("codes", codes),
      params: gpu.createBufferWith("params", expected.params),
      sinks: gpu.createBufferWith("sinks", expected.sinks),
    };
    kvGatherBandedReference(layout, { gathers, tables, arena }, expected);
    const kernel = await KvGatherBandedKernel.create(gpu, { layout, storeCount: STORE_COUNT });
    const buffers = {
      ...scratch,
      gathers: gpu.createBufferWith("gathers", gatherWords(gathers)),
      arena: gpu.createBufferWith("arena", arena),
      bands: gpu.createBufferWith("bands", layerTableWords(tables)),
      points: gpu.createBufferWith("points", pointWords()),
      keptChannels: gpu.createBufferWith(
        "kept channels",
        keptChannelWords(gathers, layout.sectionCount / 2),
      ),
    };
    submitPass(gpu, (pass) => {
      for (const store of [0, 1]) {
        const counts = { jobCount: gathers.length, storeCount: 1 };
        kernel.encode(pass, kernel.bind(buffers, store), counts);
      }
    });
    const read = (name: keyof typeof scratch) =>
      readU32(gpu, scratch[name], expected[name].byteLength / 4);
    assertSameBits(await read("codes"), new Uint32Array(expected.codes.buffer));
    for (const name of ["params", "sinks"] as const) {
      assertSameBits(await read(name), expected[name]);
    }
    kernel.destroy();
    // The codes are those of the scratch that was packed, not only those of another reader.
    const [record, place] = gathers[0].sources[0].subarray(2, 4);
    const job = targets.findIndex((own) => own[0] === record);
    assertEquals(
      expected.codes[(1 * STORE_COUNT * 2) * layout.channelCount * 64 + 1],
      packed.codes[(job * STORE_COUNT * 2) * layout.channelCount * 64 + place],
    );
    assertEquals(jobs.length, targets.length);
  });
}

type Input = ReturnType<typeof bandedInput>;

/** Encodes of all jobs and stores in one arena; targets by job and store. */
function sealAll(
  { layout, tables, jobs }: Input,
  scratch: ReturnType<typeof bandedScratch>,
): { arena: Uint32Array; targets: number[][] } {
  const sizes = kvMeasureBandedReference(layout, scratch, { jobs, tables });
  let end = 4;
  const targets = jobs.map(({ firstToken }, job) =>
    tables.map((_, store) => {
      const start = end;
      const first = (job * STORE_COUNT + store) * layout.sectionCount;
      const own = sizes.subarray(first, first + layout.sectionCount);
      end += layout.recordWords(own.reduce((sum, size) => sum + size, 0), firstToken > 0);
      return start;
    })
  );
  const arena = new Uint32Array(end + 4);
  const packs = targets.map((own, scratchIndex) => ({
    scratchIndex,
    firstToken: jobs[scratchIndex].firstToken,
    targets: own,
  }));
  kvPackBandedReference(layout, scratch, { jobs: packs, tables }, arena);
  return { arena, targets };
}

/**
 * One block with the sinks of the first record, one full, of which channels of K go, one of few
 * tokens; stores differ.
 */
function makeGathers({ layout, jobs }: Input, targets: readonly number[][]) {
  const random = seededRandom(5);
  const draw = (count: number, store: number) =>
    Uint32Array.from(
      Array.from({ length: count }, () => {
        const job = Math.floor(random() * jobs.length);
        const place = Math.floor(random() * (64 - jobs[job].firstToken));
        return [targets[job][store], place];
      }).flat(),
    );
  const counts = [[60, 48], [64, 17], [3, 0]];
  return counts.map((own, index) => ({
    scratchIndex: index + 1,
    sources: own.map((count, store) => draw(count, store)),
    sinkRecords: index === 0 && layout.sinkCount > 0 ? targets[0] : null,
    keptChannels: index === 1 ? [0, 1].map((kind) => keptChannels(layout, kind)) : null,
  }));
}
