/**
 * Attention of a slice to the blocks that it unpacked: the kernel that prompts spend their time in
 * beside products.
 *
 * @module
 */

import { rawTileFrom } from "../codec/raw_tile.ts";
import { rawTileWords } from "../codec/record.ts";
import { ENTRY_WORDS, entryWords, type Row, rowWords } from "../core/row.ts";
import { BLOCK_TOKEN_COUNT, SLICE_TOKEN_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { readBuffer } from "../gpu/read_back.ts";
import { timeOf } from "../gpu/timing.ts";
import { AttentionPrefillKernel } from "../kernels/attention_prefill/raw.ts";
import { createSegments } from "../kernels/block_unpack/paper.ts";
import { type AttentionShape, partialsWords } from "../kernels/text/attention.ts";
import { splitShape } from "../model/attention_splits.ts";
import { attentionPrefillReference } from "../reference/attention_prefill.ts";
import { REPORT_BLOCK_COUNT, REPORT_DEPTH } from "./codecs/banded_cache.ts";
import { CPU_WORK_MAX, type MeasuredKernel, type ReportModel } from "./models.ts";
import { errorOf, randomValues } from "./random.ts";

/** Tiles that differ; blocks have them in turn. */
const DISTINCT_COUNT = 4;

/** Rows that are compared: of a workgroup's queries the first, and the last of all. */
const COMPARED_ROWS = [0, SLICE_TOKEN_COUNT - 1] as const;

/** Measures attention of 64 tokens to all sealed blocks; a CPU leaves it out of a large model. */
export async function measurePrefill(gpu: Gpu, model: ReportModel): Promise<MeasuredKernel[]> {
  const { queryHeadCount, kvHeadCount, headSize } = model;
  const shape = { queryHeadCount, kvHeadCount, headSize };
  const sealedTokens = REPORT_BLOCK_COUNT * BLOCK_TOKEN_COUNT;
  const work = 2 * SLICE_TOKEN_COUNT * sealedTokens * queryHeadCount * headSize;
  if (gpu.facts.isFallback && work > CPU_WORK_MAX) return [];
  const { bindingSizeMax } = gpu.facts;
  const rowCount = SLICE_TOKEN_COUNT;
  const splits = splitShape(REPORT_BLOCK_COUNT, { shape, rowCount, bindingSizeMax });
  const inputs = sliceInputs(shape);
  const kernel = await AttentionPrefillKernel.create(gpu, { shape, splits, source: "scratch" });
  const [segment] = createSegments(gpu, { segmentCount: 1, blocksPerSegment: REPORT_BLOCK_COUNT });
  const buffers = {
    q: gpu.createBufferWith("q", inputs.q),
    rows: gpu.createBufferWith("rows", inputs.rows),
    slice: gpu.createBufferWith("slice", Uint32Array.of(rowCount, 0)),
    tiles: gpu.createBufferWith("tiles", inputs.tiles),
    directory: gpu.createBufferWith("directory", inputs.directory),
    partials: gpu.createBuffer(
      "partials",
      partialsWords(shape, splits, rowCount) * WORD_SIZE_BYTES,
    ),
  };
  const bound = kernel.bind({ ...buffers, segment });
  const splitCount = Math.ceil(REPORT_BLOCK_COUNT / splits.blocksPerSplit);
  const milliseconds = await timeOf(
    gpu,
    buffers.partials,
    (pass) => kernel.encode(pass, bound, { rowCount, splitCount }),
  );
  const sizeBytes = buffers.partials.size;
  const actual = new Float32Array(await readBuffer(gpu, buffers.partials, { sizeBytes }));
  for (const buffer of [...Object.values(buffers), segment.buffer]) gpu.destroyBuffer(buffer);
  const errors = COMPARED_ROWS.map((row) => {
    const of = <T extends Float32Array | Uint32Array>(values: T): T => {
      const length = values.length / rowCount;
      return values.subarray(row * length, (row + 1) * length) as T;
    };
    const { tiles, directory } = inputs;
    const own = { q: of(inputs.q), rows: of(inputs.rows), tiles, directory };
    const blocks = { firstBlock: 0, blockCount: REPORT_BLOCK_COUNT };
    const expected = attentionPrefillReference({ ...shape, ...splits }, {
      ...own,
      segment: blocks,
    });
    return errorOf(of(actual), expected);
  });
  const name = `prefill attention of ${rowCount} tokens, at ${REPORT_DEPTH} tokens`;
  return [{ name, milliseconds, error: Math.max(...errors) }];
}

/** The newest tokens of a sequence, and its sealed blocks as they lie in scratch. */
function sliceInputs(shape: AttentionShape) {
  const { queryHeadCount, kvHeadCount, headSize } = shape;
  const reads = { listStart: 0, listCount: REPORT_BLOCK_COUNT };
  const rows = Array.from({ length: SLICE_TOKEN_COUNT }, (_, index): Row => {
    const position = REPORT_DEPTH - SLICE_TOKEN_COUNT + index;
    return { slot: 0, position, ...reads, firstWindowBlock: REPORT_BLOCK_COUNT, idIndex: 0 };
  });
  const distinct = Array.from({ length: DISTINCT_COUNT }, (_, seed) => {
    const count = BLOCK_TOKEN_COUNT * kvHeadCount * headSize;
    const [keys, values] = [seed, seed + 50].map((each) => randomValues(count, { seed: each }));
    return rawTileFrom(shape, keys, values);
  });
  const tileWords = rawTileWords(shape);
  const tiles = new Uint32Array(REPORT_BLOCK_COUNT * tileWords);
  const directory = new Uint32Array(REPORT_BLOCK_COUNT * ENTRY_WORDS);
  for (let block = 0; block < REPORT_BLOCK_COUNT; block++) {
    tiles.set(distinct[block % DISTINCT_COUNT], block * tileWords);
    const entry = { word: 0, tokenCount: BLOCK_TOKEN_COUNT, isFirst: false };
    directory.set(entryWords(entry), block * ENTRY_WORDS);
  }
  const q = randomValues(SLICE_TOKEN_COUNT * queryHeadCount * headSize, { seed: 3 });
  return { q, rows: rowWords(rows), tiles, directory };
}
