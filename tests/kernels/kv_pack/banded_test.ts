import { pointWords } from "../../../src/codec/banded/points.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { bandLevels, isBall } from "../../../src/codec/banded/band.ts";
import { checkBanded } from "../../../src/codec/banded/check.ts";
import { LEVELS } from "../../../src/codec/banded/levels.ts";
import { layerTableWords } from "../../../src/codec/banded/tables.ts";
import { scratchBlock } from "../../../src/codec/scratch.ts";
import { valuePart } from "../../../src/codec/banded/value_part.ts";
import { extraWords, sectionHead } from "../../../src/codec/banded/dropped.ts";
import { UnitReader } from "../../../src/codec/banded/units.ts";
import { unpackBanded } from "../../../src/codec/banded/unpack.ts";
import {
  KvPackBandedKernel,
  type PackBandedJob,
  packBandedJobWords,
} from "../../../src/kernels/kv_pack/banded.ts";
import { kvMeasureBandedReference } from "../../../src/reference/kv_measure/banded.ts";
import { kvPackBandedReference } from "../../../src/reference/kv_pack/banded.ts";
import type { BandedScratch } from "../../../src/reference/kv_quantise/banded.ts";
import { assertSameBits } from "../../support/attention_case.ts";
import {
  BANDED_CASES,
  bandedInput,
  bandedScratch,
  caseName,
  STORE_COUNT,
} from "../../support/banded_case.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";

/** What the arena holds before: a packer must overwrite all of a record and nothing else. */
const OLD_WORD = 0xdeadbeef;

type Input = ReturnType<typeof bandedInput>;

for (const bandedCase of BANDED_CASES) {
  Deno.test(`KvPackBandedKernel equals its reference bit for bit at ${caseName(bandedCase)}`, async () => {
    const input = bandedInput(bandedCase);
    const { layout, tables } = input;
    const scratch = bandedScratch(input);
    const sizes = kvMeasureBandedReference(layout, scratch, input);
    const placed = placeRecords(input, sizes);
    const expected = new Uint32Array(placed.end + 16).fill(OLD_WORD);
    kvPackBandedReference(layout, scratch, { jobs: placed.jobs, tables }, expected);
    const packed = await packOnGpu(input, scratch, { ...placed, sizes });
    assertSameBits(packed, expected);
    for (const { record, layer, hasSinks } of placed.records) {
      const words = packed.subarray(record.start, record.end);
      checkBanded(layout, words, { tables: tables[layer], hasSinks });
    }
  });
}

Deno.test("KvPackBandedKernel leaves values where they are asked for, and says so in the record", async () => {
  const input = bandedInput(BANDED_CASES[0]);
  const { layout, tables } = input;
  const scratch = bandedScratch(input);
  const sizes = kvMeasureBandedReference(layout, scratch, input);
  const whole = placeRecords(input, sizes);
  // As far behind the records as these lie behind the arena's beginning.
  const jobs = whole.jobs.map((job) => ({
    ...job,
    valueBases: Array.from(job.targets, (target) => target + whole.end),
  }));
  const placed = { ...whole, jobs, end: 2 * whole.end };
  const expected = new Uint32Array(placed.end + 16).fill(OLD_WORD);
  kvPackBandedReference(layout, scratch, { jobs, tables }, expected);
  const packed = await packOnGpu(input, scratch, { ...placed, sizes });
  assertSameBits(packed, expected);
  const together = new Uint32Array(placed.end + 16);
  kvPackBandedReference(layout, scratch, { jobs: whole.jobs, tables }, together);
  for (const { record, entry, hasSinks } of placed.records) {
    const start = entry * layout.sectionCount;
    const own = sizes.subarray(start, start + layout.sectionCount);
    const part = valuePart(layout, own, hasSinks);
    assertEquals(part.firstWord + part.wordCount, record.end - record.start);
    const { tableWord, sections } = part;
    for (const [index, section] of sections.entries()) {
      assertEquals(packed[record.start + tableWord + index], section + whole.end);
    }
    const values = (words: Uint32Array, base: number) =>
      words.slice(base + sections[0], base + part.firstWord + part.wordCount);
    const moved = values(packed, record.start + whole.end);
    assertSameBits(moved, values(together, record.start));
  }
});

Deno.test("KvPackBandedKernel stores nothing of dropped channels, and all of the others", async () => {
  const input = bandedInput(BANDED_CASES[0]);
  const { layout, tables } = input;
  const scratch = bandedScratch(input, true);
  const sizes = kvMeasureBandedReference(layout, scratch, input);
  const placed = placeRecords(input, sizes);
  const expected = new Uint32Array(placed.end + 16).fill(OLD_WORD);
  kvPackBandedReference(layout, scratch, { jobs: placed.jobs, tables }, expected);
  const packed = await packOnGpu(input, scratch, { ...placed, sizes });
  assertSameBits(packed, expected);
  for (const { record: { start, end }, layer, entry, hasSinks } of placed.records) {
    const words = packed.subarray(start, end);
    const read = unpackBanded(layout, words, { tables: tables[layer], hasSinks });
    const block = scratchBlock(layout, scratch, { entry, tokenCount: read.block.tokenCount });
    for (const [side, { codes }] of read.block.sides.entries()) {
      codes.forEach((code, at) => {
        if (at % 64 < read.block.tokenCount) assertEquals(code, block.sides[side].codes[at]);
      });
    }
    // Of a record that comes from outside nothing may be missing.
    const check = () => checkBanded(layout, words, { tables: tables[layer], hasSinks });
    if (entry % 4 === 3) check();
    else assertThrows(check, RangeError, "does not start at word");
  }
});

Deno.test("KvPackBandedKernel's cases have units of every number of levels and of points, in K and in V", () => {
  const input = bandedInput(BANDED_CASES[0]);
  const { layout, tables } = input;
  const scratch = bandedScratch(input);
  const placed = placeRecords(input, kvMeasureBandedReference(layout, scratch, input));
  const arena = new Uint32Array(placed.end);
  kvPackBandedReference(layout, scratch, { jobs: placed.jobs, tables }, arena);
  const found = [new Set<number>(), new Set<number>()];
  for (const { record, layer } of placed.records) {
    for (let index = 0; index < layout.sectionCount; index++) {
      const section = sectionHead(arena.subarray(record.start, record.end), index);
      const unit = new UnitReader(layout, section, { index, tables: tables[layer] });
      while (unit.next()) {
        const levels = isBall(unit.band) ? 0 : bandLevels(unit.band);
        found[layout.sectionPlace(index).side].add(levels);
      }
    }
  }
  // A point's place has none.
  for (const levels of found) assertEquals([...levels].sort((a, b) => a - b), [0, ...LEVELS]);
});

/** Packed in another order than measured, with gaps, and one measured block not packed at all. */
function placeRecords({ layout, jobs }: Input, sizes: Uint32Array) {
  const packs: PackBandedJob[] = [];
  const records: {
    record: { start: number; end: number };
    layer: number;
    entry: number;
    hasSinks: boolean;
  }[] = [];
  let end = 4;
  for (let scratchIndex = jobs.length - 1; scratchIndex > 0; scratchIndex--) {
    const { firstToken } = jobs[scratchIndex];
    const hasSinks = firstToken > 0;
    const targets = Array.from({ length: STORE_COUNT }, (_, layer) => {
      const entry = scratchIndex * STORE_COUNT + layer;
      const first = entry * layout.sectionCount;
      const own = sizes.subarray(first, first + layout.sectionCount);
      const start = end;
      end += layout.recordWords(own.reduce((sum, size) => sum + extraWords(size), 0), hasSinks);
      records.push({ record: { start, end }, layer, entry, hasSinks });
      end += 8 * layer;
      return start;
    });
    packs.push({ scratchIndex, firstToken, targets });
  }
  return { jobs: packs, records, end };
}

async function packOnGpu(
  { layout, tables }: Input,
  scratch: BandedScratch,
  placed: { jobs: readonly PackBandedJob[]; sizes: Uint32Array; end: number },
): Promise<Uint32Array> {
  const gpu = await testGpu();
  const kernel = await KvPackBandedKernel.create(gpu, { layout, storeCount: STORE_COUNT });
  const arena = gpu.createBufferWith("arena", new Uint32Array(placed.end + 16).fill(OLD_WORD));
  const buffers = {
    jobs: gpu.createBufferWith("jobs", packBandedJobWords(placed.jobs)),
    codes: gpu.createBufferWith("codes", scratch.codes),
    params: gpu.createBufferWith("params", scratch.params),
    sizes: gpu.createBufferWith("sizes", placed.sizes),
    sinks: gpu.createBufferWith("sinks", scratch.sinks),
    bands: gpu.createBufferWith("bands", layerTableWords(tables)),
    points: gpu.createBufferWith("points", pointWords()),
    arena,
  };
  // Two groups of layers, though both have the same arena here.
  const counts = { jobCount: placed.jobs.length, storeCount: 1 };
  submitPass(gpu, (pass) => {
    kernel.encode(pass, kernel.bind(buffers, 0), counts);
    kernel.encode(pass, kernel.bind(buffers, 1), counts);
  });
  const words = await readU32(gpu, arena, placed.end + 16);
  kernel.destroy();
  return words;
}
