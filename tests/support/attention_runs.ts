/** Runs of the attention, merge and unpack kernels on seeded cases, for the facts of an adapter. */

import { pointWords } from "../../src/codec/banded/points.ts";
import { assert } from "@std/assert";
import { readerWords } from "../../src/codec/banded/tables.ts";
import { Int8Layout } from "../../src/codec/int8/layout.ts";
import type { XquantLayout } from "../../src/codec/xquant/layout.ts";
import { rawTileWords } from "../../src/codec/record.ts";
import { ROW_WORDS } from "../../src/core/row.ts";
import type { AdapterFacts } from "../../src/gpu/gpu.ts";
import { AttentionDecodeBandedKernel } from "../../src/kernels/attention_decode/banded.ts";
import { AttentionDecodeInt8Kernel } from "../../src/kernels/attention_decode/int8.ts";
import { AttentionDecodePaperKernel } from "../../src/kernels/attention_decode/paper.ts";
import { AttentionDecodeRawKernel } from "../../src/kernels/attention_decode/raw.ts";
import type {
  RecordAttentionBuffers,
  RowAttention,
} from "../../src/kernels/attention_decode/row_attention.ts";
import { AttentionDecodeXquantKernel } from "../../src/kernels/attention_decode/xquant.ts";
import { AttentionMergeKernel } from "../../src/kernels/attention_merge/head.ts";
import { AttentionPrefillKernel } from "../../src/kernels/attention_prefill/raw.ts";
import { BlockUnpackPaperKernel, createSegments } from "../../src/kernels/block_unpack/paper.ts";
import { BlockUnpackBandedKernel } from "../../src/kernels/block_unpack/banded.ts";
import { partialsWords, sealedSplitCount } from "../../src/kernels/text/attention.ts";
import type { TileSource } from "../../src/kernels/text/raw_tiles.ts";
import { codeStartBuffer } from "../../src/kernels/text/xquant.ts";
import type { AttentionPrefillInputs } from "../../src/reference/attention_prefill.ts";
import type { AttentionCase, CaseShape } from "./attention_case.ts";
import type { BandedAttentionCase } from "./banded_attention_case.ts";
import { readF32, readU32, submitPass, testGpu } from "./gpu.ts";
import type { RingCase } from "./ring_case.ts";

/** Rows that buffers of a slice have room for, as in the engine. */
const ROW_COUNT_MAX = 64;

/** Partial results of single rows over records; `own`: what their kernel binds beside the rest. */
export async function runDecodeRecords<Own>(
  attention: AttentionCase,
  kernel: RowAttention & { bind(buffers: RecordAttentionBuffers & Own): GPUBindGroup },
  own: Own,
): Promise<Float32Array> {
  const { tiles: arena, ...buffers } = await caseBuffers(attention, attention.arena);
  const bound = kernel.bind({ ...buffers, arena, ...own });
  return await readPartials(attention, buffers.partials, (pass, grid) => {
    kernel.encode(pass, bound, grid);
  });
}

/** Partial results of single rows over packed blocks. */
export async function runDecodePaper(
  attention: AttentionCase,
  facts?: AdapterFacts,
): Promise<Float32Array> {
  const gpu = await testGpu();
  const { shape, layout } = attention;
  assert(layout !== null, "the case is packed");
  const options = { shape, splits: shape, layout };
  const kernel = await AttentionDecodePaperKernel.create(gpu, options, facts);
  return await runDecodeRecords(attention, kernel, {});
}

/** Partial results of single rows over int8 blocks. */
export async function runDecodeInt8(
  attention: AttentionCase,
  facts?: AdapterFacts,
): Promise<Float32Array> {
  const gpu = await testGpu();
  const { shape } = attention;
  const options = { shape, splits: shape, layout: new Int8Layout(shape) };
  const kernel = await AttentionDecodeInt8Kernel.create(gpu, options, facts);
  return await runDecodeRecords(attention, kernel, {});
}

/** Partial results of single rows over XQuant blocks, of a layer with codes or without. */
export async function runDecodeXquant(
  attention: AttentionCase,
  { layout, hasCodes }: { layout: XquantLayout; hasCodes: boolean },
  facts?: AdapterFacts,
): Promise<Float32Array> {
  const gpu = await testGpu();
  const { shape } = attention;
  const options = { shape, splits: shape, layout };
  const kernel = await AttentionDecodeXquantKernel.create(gpu, options, facts);
  return await runDecodeRecords(attention, kernel, {
    codeStart: codeStartBuffer(gpu, layout, hasCodes),
  });
}

/** Partial results of single rows over banded blocks. */
export async function runDecodeBanded(
  attention: BandedAttentionCase,
  facts?: AdapterFacts,
): Promise<Float32Array> {
  const gpu = await testGpu();
  const { shape, banded: layout, hasDropped } = attention;
  const options = { shape, splits: shape, layout, hasDropped };
  const kernel = await AttentionDecodeBandedKernel.create(gpu, options, facts);
  const tables = gpu.createBufferWith("tables", readerWords(attention.tables));
  const points = gpu.createBufferWith("points", pointWords());
  return await runDecodeRecords(attention, kernel, { tables, points });
}

/** Partial results of single rows over raw tiles. */
export async function runDecodeRaw(
  attention: AttentionCase,
  source: "window" | "arena",
  facts?: AdapterFacts,
): Promise<Float32Array> {
  const gpu = await testGpu();
  const { shape, window, arena } = attention;
  const options = { shape, splits: shape, source };
  const kernel = await AttentionDecodeRawKernel.create(gpu, options, facts);
  const isWindow = source === "window";
  const { directory, ...buffers } = await caseBuffers(attention, isWindow ? window : arena);
  const bound = kernel.bind({ ...buffers, ...(isWindow ? {} : { directory }) });
  return await readPartials(attention, buffers.partials, (pass, { rowCount, splitCount }) => {
    kernel.encode(pass, bound, { rowCount, splitCount: isWindow ? 4 : splitCount });
  });
}

/** Partial results of the rows of a slice over raw tiles. */
export async function runPrefill(
  shape: CaseShape,
  source: TileSource,
  run: {
    inputs: AttentionPrefillInputs;
    splitCount: number;
    facts?: AdapterFacts;
  },
): Promise<Float32Array> {
  const gpu = await testGpu();
  const { splitCount, facts } = run;
  const { q, rows, tiles, directory, segment, tileCount, sinkCount } = run.inputs;
  const options = {
    ...{ shape, splits: shape, source },
    ...(tileCount === undefined ? {} : { tileCount }),
    ...(sinkCount === undefined ? {} : { sinkCount }),
  };
  const kernel = await AttentionPrefillKernel.create(gpu, options, facts);
  const rowCount = rows.length / ROW_WORDS;
  // What lies behind the slice is of an earlier, longer one: it must not matter.
  const rowsOfEngine = new Uint32Array(ROW_COUNT_MAX * ROW_WORDS).fill(5000);
  rowsOfEngine.set(rows);
  const qOfEngine = new Float32Array(q.length / rowCount * ROW_COUNT_MAX).fill(NaN);
  qOfEngine.set(q);
  const partials = gpu.createBuffer("partials", partialsWords(shape, shape, ROW_COUNT_MAX) * 4);
  const segments = segment
    ? createSegments(gpu, { segmentCount: 2, blocksPerSegment: segment.firstBlock })
    : [];
  const bound = kernel.bind({
    q: gpu.createBufferWith("q", qOfEngine),
    rows: gpu.createBufferWith("rows", rowsOfEngine),
    slice: gpu.createBufferWith("slice", Uint32Array.of(rowCount, 0)),
    tiles: gpu.createBufferWith("tiles", tiles),
    ...(directory ? { directory: gpu.createBufferWith("directory", directory) } : {}),
    ...(segment ? { segment: segments[1] } : {}),
    partials,
  });
  submitPass(gpu, (pass) => kernel.encode(pass, bound, { rowCount, splitCount }));
  return await readF32(gpu, partials, partialsWords(shape, shape, rowCount));
}

/** Partial results of single rows over windows of which they see the newest tokens. */
export async function runDecodeRing(
  { shape, tileCount, q, rows, tiles }: RingCase,
  facts?: AdapterFacts,
): Promise<Float32Array> {
  const gpu = await testGpu();
  const options = { shape, splits: shape, source: "window", tileCount } as const;
  const kernel = await AttentionDecodeRawKernel.create(gpu, options, facts);
  const rowCount = rows.length / ROW_WORDS;
  const count = partialsWords(shape, shape, rowCount);
  const partials = gpu.createBuffer("partials", count * 4);
  const bound = kernel.bind({
    q: gpu.createBufferWith("q", q),
    rows: gpu.createBufferWith("rows", rows),
    tiles: gpu.createBufferWith("tiles", tiles),
    partials,
  });
  const splitCount = shape.splitCountMax;
  submitPass(gpu, (pass) => kernel.encode(pass, bound, { rowCount, splitCount }));
  return await readF32(gpu, partials, count);
}

/** Attention that partial results make. */
export async function runMerge(
  shape: CaseShape,
  inputs: { rows: Uint32Array; partials: Float32Array; sinks?: Float32Array | null },
  facts?: AdapterFacts,
): Promise<Float32Array> {
  const gpu = await testGpu();
  const { sinks = null } = inputs;
  const options = { shape, splits: shape, hasSinks: sinks !== null };
  const kernel = await AttentionMergeKernel.create(gpu, options, facts);
  const rowCount = inputs.rows.length / ROW_WORDS;
  const count = rowCount * shape.queryHeadCount * shape.headSize;
  const out = gpu.createBuffer("out", count * 4);
  const bound = kernel.bind({
    rows: gpu.createBufferWith("rows", inputs.rows),
    partials: gpu.createBufferWith("partials", inputs.partials),
    out,
    ...(sinks === null ? {} : { sinks: gpu.createBufferWith("sinks", sinks) }),
  });
  submitPass(gpu, (pass) => kernel.encode(pass, bound, rowCount));
  return await readF32(gpu, out, count);
}

/** Raw tiles of the first `blockCount` packed or banded blocks of slot 0. */
export async function runUnpack(
  attention: AttentionCase | BandedAttentionCase,
  blockCount: number,
  facts?: AdapterFacts,
): Promise<Uint32Array> {
  const gpu = await testGpu();
  const { shape } = attention;
  const [segment] = createSegments(gpu, { segmentCount: 1, blocksPerSegment: blockCount });
  const wordCount = blockCount * rawTileWords(shape);
  const tiles = gpu.createBuffer("tiles", wordCount * 4);
  const { rows, tiles: arena, directory } = await caseBuffers(attention, attention.arena);
  const buffers = { rows, arena, directory, segment, tiles };
  if ("banded" in attention) {
    const options = { layout: attention.banded };
    const kernel = await BlockUnpackBandedKernel.create(gpu, options, facts);
    const tables = gpu.createBufferWith("tables", readerWords(attention.tables));
    const points = gpu.createBufferWith("points", pointWords());
    const bound = kernel.bind({ ...buffers, tables, points });
    submitPass(gpu, (pass) => kernel.encode(pass, bound, blockCount));
  } else {
    const { layout } = attention;
    assert(layout !== null, "the case is packed");
    const kernel = await BlockUnpackPaperKernel.create(gpu, { layout }, facts);
    const bound = kernel.bind(buffers);
    submitPass(gpu, (pass) => kernel.encode(pass, bound, blockCount));
  }
  return await readU32(gpu, tiles, wordCount);
}

async function caseBuffers(attention: AttentionCase, tiles: Uint32Array) {
  const gpu = await testGpu();
  const { shape, rows } = attention;
  const count = partialsWords(shape, shape, rows.length / ROW_WORDS);
  return {
    q: gpu.createBufferWith("q", attention.q),
    rows: gpu.createBufferWith("rows", rows),
    tiles: gpu.createBufferWith("tiles", tiles),
    directory: gpu.createBufferWith("directory", attention.directory),
    partials: gpu.createBuffer("partials", count * 4),
  };
}

async function readPartials(
  attention: AttentionCase,
  partials: GPUBuffer,
  encode: (
    pass: GPUComputePassEncoder,
    grid: { rowCount: number; splitCount: number },
  ) => void,
): Promise<Float32Array> {
  const gpu = await testGpu();
  const { shape, rows, blockCountLargest } = attention;
  const rowCount = rows.length / ROW_WORDS;
  const splitCount = sealedSplitCount(blockCountLargest, shape);
  submitPass(gpu, (pass) => encode(pass, { rowCount, splitCount }));
  return await readF32(gpu, partials, partialsWords(shape, shape, rowCount));
}
