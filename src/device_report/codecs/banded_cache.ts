/**
 * The cache of one sequence and layer with random values, sealed as `balanced` seals.
 *
 * @module
 */

import { BAND_COUNT, bandWord, CODE_BIAS, FULL_BAND } from "../../codec/banded/band.ts";
import { BandedLayout } from "../../codec/banded/layout.ts";
import { LEVELS } from "../../codec/banded/levels.ts";
import { packBanded } from "../../codec/banded/pack.ts";
import { quantiseBanded } from "../../codec/banded/quantise.ts";
import { type BandedTables, bandedTables } from "../../codec/banded/tables.ts";
import { rawTileFrom } from "../../codec/raw_tile.ts";
import { rawTileWords } from "../../codec/record.ts";
import { ENTRY_WORDS, entryWords, type Row, rowWords } from "../../core/row.ts";
import {
  BLOCK_TOKEN_COUNT,
  sealedBlockCount,
  WINDOW_BLOCK_COUNT,
  WINDOW_TILE_COUNT,
} from "../../core/shapes.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import {
  type AttentionShape,
  partialsWords,
  type SplitShape,
} from "../../kernels/text/attention.ts";
import { splitShape } from "../../model/attention_splits.ts";
import type { ReportModel } from "../models.ts";
import { randomValues } from "../random.ts";

/** Tokens of the sequence. */
export const REPORT_DEPTH = 4096;

/** Blocks of them that are sealed. */
export const REPORT_BLOCK_COUNT: number = sealedBlockCount(REPORT_DEPTH, WINDOW_BLOCK_COUNT);

/** Blocks that differ: packing takes a while, reading them does not. */
const DISTINCT_COUNT = 4;

/** Of values in [-1, 1): some ten levels, as `balanced` has on average. */
const STEP = 0.2;

/** Where all of it lies, and what it is read with. */
export interface BandedCache {
  shape: AttentionShape;
  splits: SplitShape;
  layout: BandedLayout;
  tables: BandedTables;
  /** Its newest token. */
  row: Row;
  words: {
    q: Float32Array<ArrayBuffer>;
    arena: Uint32Array<ArrayBuffer>;
    directory: Uint32Array<ArrayBuffer>;
    window: Uint32Array<ArrayBuffer>;
  };
  buffers: Readonly<
    Record<"q" | "rows" | "arena" | "directory" | "window" | "partials" | "out", GPUBuffer>
  >;
}

/** Makes the cache of a layer of a model with `depth` tokens, on the device too. */
export function bandedCache(
  gpu: Gpu,
  model: ReportModel,
  depth: number = REPORT_DEPTH,
): BandedCache {
  const { queryHeadCount, kvHeadCount, headSize } = model;
  const shape = { queryHeadCount, kvHeadCount, headSize };
  const blockCount = sealedBlockCount(depth, WINDOW_BLOCK_COUNT);
  const { bindingSizeMax } = gpu.facts;
  const splits = splitShape(blockCount, { shape, rowCount: 1, bindingSizeMax });
  const layout = new BandedLayout({ ...shape, sinkCount: 0 });
  const tables = reportTables(kvHeadCount * headSize);
  const tile = (seed: number) => {
    const count = BLOCK_TOKEN_COUNT * kvHeadCount * headSize;
    const [keys, values] = [seed, seed + 50].map((each) => randomValues(count, { seed: each }));
    return rawTileFrom(shape, keys, values);
  };
  const window = new Uint32Array(WINDOW_TILE_COUNT * rawTileWords(shape));
  for (let at = 0; at < WINDOW_TILE_COUNT; at++) {
    window.set(tile(90 + at), at * rawTileWords(shape));
  }
  const words = {
    q: randomValues(queryHeadCount * headSize, { seed: 3 }),
    window,
    ...sealedBlocks(
      Array.from({ length: DISTINCT_COUNT }, (_, seed) => {
        const block = quantiseBanded(shape, tile(seed), { tables, firstToken: 0 });
        return packBanded(layout, { block, tables }, new Uint32Array());
      }),
      blockCount,
    ),
  };
  const reads = { listStart: 0, listCount: blockCount, firstWindowBlock: blockCount };
  const row = { slot: 0, position: depth - 1, ...reads, idIndex: 0 };
  const buffers = {
    q: gpu.createBufferWith("q", words.q),
    rows: gpu.createBufferWith("rows", rowWords([row])),
    arena: gpu.createBufferWith("arena", words.arena),
    directory: gpu.createBufferWith("directory", words.directory),
    window: gpu.createBufferWith("window", window),
    partials: gpu.createBuffer("partials", partialsWords(shape, splits, 1) * 4),
    out: gpu.createBuffer("out", queryHeadCount * headSize * 4),
  };
  return { shape, splits, layout, tables, row, words, buffers };
}

/** Encodes in turn, each at a place of its own, and their read list. */
function sealedBlocks(records: readonly Uint32Array[], blockCount: number) {
  const directory = new Uint32Array(blockCount * ENTRY_WORDS);
  const lengths = Array.from({ length: blockCount }, (_, block) => records[block % records.length]);
  const arena = new Uint32Array(lengths.reduce((sum, { length }) => sum + length, 8));
  let word = 4;
  for (const [block, record] of lengths.entries()) {
    arena.set(record, word);
    const entry = { word, tokenCount: BLOCK_TOKEN_COUNT, isFirst: false };
    directory.set(entryWords(entry), block * ENTRY_WORDS);
    word += record.length;
  }
  return { arena, directory };
}

function reportTables(channelCount: number): BandedTables {
  const own = LEVELS.filter((levels) => levels >= 6).slice(0, BAND_COUNT - 1);
  const words = [
    ...own.map((levels) => bandWord({ least: CODE_BIAS - Math.floor(levels / 2), levels })),
    bandWord(FULL_BAND),
  ];
  const bands = Uint32Array.from({ length: 2 * channelCount * BAND_COUNT }, (_, index) => {
    return words[index % BAND_COUNT];
  });
  const steps = new Float32Array(channelCount).fill(STEP);
  return bandedTables({ keyStep: steps, valueStep: steps, normReference: 0.5, bands });
}
