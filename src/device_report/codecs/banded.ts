/**
 * Attention to banded blocks, what joins it, unpacking and quantising.
 *
 * @module
 */

import { pointWords } from "../../codec/banded/points.ts";
import { quantiserWords, readerWords } from "../../codec/banded/tables.ts";
import { rawTileWords } from "../../codec/record.ts";
import { rowWords } from "../../core/row.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { readBuffer } from "../../gpu/read_back.ts";
import { AttentionDecodeBandedKernel } from "../../kernels/attention_decode/banded.ts";
import { AttentionDecodeRawKernel } from "../../kernels/attention_decode/raw.ts";
import { AttentionMergeKernel } from "../../kernels/attention_merge/head.ts";
import { BlockUnpackBandedKernel } from "../../kernels/block_unpack/banded.ts";
import { createSegments } from "../../kernels/block_unpack/paper.ts";
import { KvQuantiseBandedKernel } from "../../kernels/kv_quantise/banded.ts";
import { attentionDecodeBandedReference } from "../../reference/attention_decode/banded.ts";
import { attentionDecodeRawReference } from "../../reference/attention_decode/raw.ts";
import { attentionMergeReference } from "../../reference/attention_merge.ts";
import { blockUnpackBandedReference } from "../../reference/block_unpack/banded.ts";
import { kvQuantiseBandedReference } from "../../reference/kv_quantise/banded.ts";
import type { MeasuredKernel, ReportModel } from "../models.ts";
import { errorOf } from "../random.ts";
import { timeOf } from "../../gpu/timing.ts";
import { type BandedCache, bandedCache, REPORT_DEPTH } from "./banded_cache.ts";

/** Blocks that are unpacked. */
export const UNPACKED_COUNT = 8;

/** Measures attention at a depth of 4,096 tokens, unpacking and sealing of a model. */
export async function measureBanded(gpu: Gpu, model: ReportModel): Promise<MeasuredKernel[]> {
  const cache = bandedCache(gpu, model);
  const measured = [
    ...await measureAttention(gpu, cache),
    await measureUnpacking(gpu, cache),
    await measureSealing(gpu, cache),
  ];
  for (const buffer of Object.values(cache.buffers)) gpu.destroyBuffer(buffer);
  return measured;
}

async function measureAttention(gpu: Gpu, cache: BandedCache): Promise<MeasuredKernel[]> {
  const { shape, splits, layout, tables, row, buffers } = cache;
  const { q, rows, arena, directory, partials, window, out } = buffers;
  const sealed = await AttentionDecodeBandedKernel.create(gpu, { shape, splits, layout });
  const tableBuffer = gpu.createBufferWith("tables", readerWords(tables));
  const boundSealed = sealed.bind({
    q,
    rows,
    arena,
    directory,
    partials,
    tables: tableBuffer,
    points: gpu.createBufferWith("points", pointWords()),
  });
  const source = "window" as const;
  const raw = await AttentionDecodeRawKernel.create(gpu, { shape, splits, source });
  const boundRaw = raw.bind({ q, rows, tiles: window, partials });
  const merge = await AttentionMergeKernel.create(gpu, { shape, splits });
  const boundMerge = merge.bind({ rows, partials, out });
  const splitCount = Math.ceil(row.listCount / splits.blocksPerSplit);
  const times = {
    sealed: await timeOf(
      gpu,
      partials,
      (pass) => sealed.encode(pass, boundSealed, { rowCount: 1, splitCount }),
    ),
    window: await timeOf(
      gpu,
      partials,
      (pass) => raw.encode(pass, boundRaw, { rowCount: 1, splitCount: 2 }),
    ),
    merge: await timeOf(gpu, out, (pass) => merge.encode(pass, boundMerge, 1)),
  };
  gpu.destroyBuffer(tableBuffer);
  const referenceShape = { ...shape, ...splits };
  const actual = new Float32Array(await readBuffer(gpu, partials, { sizeBytes: partials.size }));
  // One split of the sealed blocks, and the window, which follows all of them.
  const first = { ...row, listCount: splits.blocksPerSplit };
  const inputs = { ...cache.words, rows: rowWords([first]), layout, tables };
  const expected = attentionDecodeBandedReference(referenceShape, inputs);
  const recent = attentionDecodeRawReference(referenceShape, {
    q: inputs.q,
    rows: rowWords([row]),
    tiles: inputs.window,
  });
  const places = (from: number, count: number) => placesOf(cache, { from, count });
  const pick = (values: ArrayLike<number>, wanted: readonly number[]) =>
    wanted.map((i) => values[i]);
  const ofSplits = (values: ArrayLike<number>, from: number, count: number) =>
    errorOf(pick(actual, places(from, count)), pick(values, places(from, count)));
  const merged = attentionMergeReference(referenceShape, {
    rows: rowWords([row]),
    partials: actual,
  });
  const outValues = new Float32Array(await readBuffer(gpu, out, { sizeBytes: merged.length * 4 }));
  const depth = `at ${REPORT_DEPTH} tokens`;
  return [
    {
      name: `attention, banded, ${depth}`,
      milliseconds: times.sealed,
      error: ofSplits(expected, 0, 1),
    },
    {
      name: "attention, window",
      milliseconds: times.window,
      error: ofSplits(recent, splitCount, 2),
    },
    { name: `merge ${depth}`, milliseconds: times.merge, error: errorOf(outValues, merged) },
  ];
}

/** Where the partial results of some splits lie. */
function placesOf(
  { shape, splits }: BandedCache,
  { from, count }: { from: number; count: number },
): number[] {
  const width = shape.headSize + 2;
  return Array.from({ length: shape.queryHeadCount * count * width }, (_, index) => {
    const head = Math.floor(index / (count * width));
    return (head * splits.splitCountMax + from) * width + index % (count * width);
  });
}

async function measureUnpacking(gpu: Gpu, cache: BandedCache): Promise<MeasuredKernel> {
  const { shape, layout, tables, buffers: { rows, arena, directory } } = cache;
  const kernel = await BlockUnpackBandedKernel.create(gpu, { layout });
  const blocksPerSegment = UNPACKED_COUNT;
  const [segment] = createSegments(gpu, { segmentCount: 1, blocksPerSegment });
  const tiles = gpu.createBuffer("tiles", rawTileWords(shape) * 4 * UNPACKED_COUNT);
  const tableBuffer = gpu.createBufferWith("tables", readerWords(tables));
  const bound = kernel.bind({
    rows,
    arena,
    directory,
    segment,
    tables: tableBuffer,
    points: gpu.createBufferWith("points", pointWords()),
    tiles,
  });
  const milliseconds = await timeOf(
    gpu,
    tiles,
    (pass) => kernel.encode(pass, bound, UNPACKED_COUNT),
  );
  const expected = blockUnpackBandedReference({
    ...cache.words,
    layout,
    tables,
    firstBlock: 0,
    blockCount: UNPACKED_COUNT,
  });
  const actual = new Uint32Array(await readBuffer(gpu, tiles, { sizeBytes: expected.length * 4 }));
  for (const buffer of [tiles, tableBuffer, segment.buffer]) gpu.destroyBuffer(buffer);
  const name = `unpack ${UNPACKED_COUNT} banded blocks`;
  return { name, milliseconds, error: bitErrorOf(actual, expected) };
}

async function measureSealing(gpu: Gpu, cache: BandedCache): Promise<MeasuredKernel> {
  const { layout, tables, buffers: { window } } = cache;
  const kernel = await KvQuantiseBandedKernel.create(gpu, { layout, storeCount: 1 });
  const jobs = [{ slot: 0, tile: 0, firstToken: 0 }];
  const expected = kvQuantiseBandedReference(layout, {
    jobs,
    windows: [cache.words.window],
    tables: [tables],
  });
  const make = (name: string, words: number) => gpu.createBuffer(name, words * 4);
  const buffers = {
    codes: make("codes", expected.codes.length / 4),
    params: make("params", expected.params.length),
    sinks: make("sinks", Math.max(1, expected.sinks.length)),
    flags: make("flags", 1),
    jobs: gpu.createBufferWith("jobs", Uint32Array.of(0, 0, BLOCK_TOKEN_COUNT, 0)),
    tables: gpu.createBufferWith("tables", quantiserWords(tables)),
  };
  const bound = kernel.bind({ ...buffers, window }, 0);
  const milliseconds = await timeOf(gpu, buffers.codes, (pass) => kernel.encode(pass, bound, 1));
  const sizeBytes = expected.codes.length;
  const codes = new Uint8Array(await readBuffer(gpu, buffers.codes, { sizeBytes }));
  kernel.destroy();
  for (const buffer of Object.values(buffers)) gpu.destroyBuffer(buffer);
  const name = "quantise a block of a layer, banded";
  return { name, milliseconds, error: bitErrorOf(codes, expected.codes) };
}

function bitErrorOf(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  for (let index = 0; index < expected.length; index++) {
    if (actual[index] !== expected[index]) return 1;
  }
  return 0;
}
