/** Made-up windows, tables and jobs on which the kernels of banded records meet the CPU codec. */

import { ENTRY_WORDS, entryWords, readEntry } from "../../src/core/row.ts";
import { bandBits, bandLeast, bandLevels, isBall } from "../../src/codec/banded/band.ts";
import { pointDigits } from "../../src/codec/banded/points.ts";
import { BandedLayout } from "../../src/codec/banded/layout.ts";
import { packBanded } from "../../src/codec/banded/pack.ts";
import { channelBands } from "../../src/codec/banded/tables.ts";
import { KEY, rawTileWords, VALUE } from "../../src/codec/record.ts";
import { type HeadShape, rawTileFrom } from "../../src/codec/raw_tile.ts";
import { scratchBlock } from "../../src/codec/scratch.ts";
import { WINDOW_TILE_COUNT } from "../../src/core/shapes.ts";
import { bandedSource } from "../../src/reference/kv_measure/banded.ts";
import {
  type BandedJob,
  type BandedScratch,
  kvQuantiseBandedReference,
} from "../../src/reference/kv_quantise/banded.ts";
import { seededTables } from "./banded_samples.ts";
import { dropChannels, keptChannels } from "./dropped_channels.ts";
import { SAMPLE_KINDS, sampleTile } from "./codec_samples.ts";
import { seededRandom } from "./numeric.ts";

/** Shape of a case. */
export interface BandedCase extends HeadShape {
  sinkCount: number;
  why: string;
}

/** Each varies what the kernels depend on: heads, head size, sinks. */
export const BANDED_CASES: readonly BandedCase[] = [
  { kvHeadCount: 3, headSize: 64, sinkCount: 4, why: "default" },
  { kvHeadCount: 1, headSize: 32, sinkCount: 16, why: "smallest, most sinks" },
  { kvHeadCount: 2, headSize: 96, sinkCount: 0, why: "no sinks" },
  { kvHeadCount: 8, headSize: 32, sinkCount: 4, why: "8 heads" },
  { kvHeadCount: 2, headSize: 128, sinkCount: 1, why: "one sink" },
  { kvHeadCount: 1, headSize: 256, sinkCount: 7, why: "widest, a row with sinks and tokens" },
];

export const STORE_COUNT = 2;
const SLOT_COUNT = 4;

/** Levels of bands that few packs of random codes fit. */
const TIGHT_LEVELS = [1, 2, 3, 5, 7, 11, 16];

/** Parameters of a case as part of a test's name. */
export function caseName({ kvHeadCount, headSize, sinkCount, why }: BandedCase): string {
  return `${kvHeadCount} heads of ${headSize}, ${sinkCount} sinks (${why})`;
}

/** Layout, tables and raw windows of each layer, and one job per kind of block. */
export function bandedInput(bandedCase: BandedCase) {
  const layout = new BandedLayout(bandedCase);
  const tables = Array.from(
    { length: STORE_COUNT },
    (_, layer) => seededTables(layout, 50 + layer, layer === 0 ? {} : { levels: TIGHT_LEVELS }),
  );
  const tileWords = rawTileWords(layout);
  const windows = Array.from(
    { length: STORE_COUNT },
    () => new Uint32Array(SLOT_COUNT * WINDOW_TILE_COUNT * tileWords),
  );
  const makers = [
    ...SAMPLE_KINDS.map((kind) => (seed: number) => sampleTile(kind, layout, seed)),
    (seed: number) => alternatingTile(layout, seed),
    (seed: number) => peakTile(layout, seed),
  ];
  const jobs = makers.map((make, index): BandedJob => {
    const tile = WINDOW_TILE_COUNT - 1 - Math.floor(index / SLOT_COUNT);
    const place = { slot: index % SLOT_COUNT, tile };
    for (const [layer, window] of windows.entries()) {
      const start = (place.slot * WINDOW_TILE_COUNT + place.tile) * tileWords;
      window.set(make(10 * index + layer), start);
    }
    return { ...place, firstToken: index % 2 === 0 ? layout.sinkCount : 0 };
  });
  return { layout, tables, windows, jobs };
}

/** The jobs of quantising and measuring, as the kernels bind them. */
export function bandedJobWords(jobs: readonly BandedJob[]): Uint32Array {
  return Uint32Array.from(
    jobs.flatMap(({ slot, tile, firstToken }) => [slot, tile, 64 - firstToken, firstToken]),
  );
}

/** Tokens of each job and store that are packed, as the kernel that measures binds them. */
export function packedCounts(jobs: readonly BandedJob[], storeCount = STORE_COUNT): Uint32Array {
  return Uint32Array.from(
    jobs.flatMap(({ firstToken }) => new Array<number>(storeCount).fill(64 - firstToken)),
  );
}

/**
 * Scratch as quantised on the CPU; the last two jobs are replaced by packs of every band.
 *
 * @param hasDropped Whether some channels of K are dropped.
 */
export function bandedScratch(
  input: ReturnType<typeof bandedInput>,
  hasDropped = false,
): BandedScratch {
  const { layout, jobs } = input;
  const scratch = kvQuantiseBandedReference(layout, input);
  for (let job = jobs.length - 2; job < jobs.length; job++) {
    for (let layer = 0; layer < STORE_COUNT; layer++) fillEveryBand(input, scratch, { job, layer });
  }
  for (let entry = 0; hasDropped && entry < jobs.length * STORE_COUNT; entry++) {
    const { firstToken } = jobs[Math.floor(entry / STORE_COUNT)];
    const block = scratchBlock(layout, scratch, { entry, tokenCount: 64 - firstToken });
    dropChannels(block, keptChannels(layout, entry));
  }
  return scratch;
}

/** Replaces the codes of a block by random ones, those of each pack from one of its bands. */
function fillEveryBand(
  input: ReturnType<typeof bandedInput>,
  scratch: BandedScratch,
  at: { job: number; layer: number },
): void {
  const { layout, jobs, tables } = input;
  const entry = at.job * STORE_COUNT + at.layer;
  const { sides, tokenCount } = scratchBlock(layout, scratch, {
    entry,
    tokenCount: 64 - jobs[at.job].firstToken,
  });
  const random = seededRandom(entry);
  for (const side of [KEY, VALUE]) {
    for (let i = 0; i < layout.channelCount * 8; i++) {
      const bands = channelBands(tables[at.layer], side, i >> 3);
      const band = bands[Math.floor(random() * 8)];
      const [least, levels] = [bandLeast(band), bandLevels(band)];
      const point = isBall(band) ? pointDigits(Math.floor(random() * 2 ** bandBits(band))) : null;
      for (let place = 8 * (i & 7); place < Math.min(8 * (i & 7) + 8, tokenCount); place++) {
        const digit = point === null ? Math.floor(random() * levels) : point[place & 7];
        sides[side].codes[(i >> 3) * 64 + place] = least + digit;
      }
    }
  }
}

/** Signs change from channel to channel and from token to token. */
function alternatingTile(shape: HeadShape, seed: number): Uint32Array {
  const channelCount = shape.kvHeadCount * shape.headSize;
  const values = Float32Array.from({ length: 64 * channelCount }, (_, i) => {
    const token = Math.floor(i / channelCount);
    return ((i + token) & 1 ? -1 : 1) * (1 + ((i * 7 + seed) % 13) / 8) * 2 ** (token % 9 - 4);
  });
  return rawTileFrom(shape, values, values.map((value) => -value));
}

/** One value of the largest f16 in small ones: in K of token 20, in V of token 41. */
function peakTile(shape: HeadShape, seed: number): Uint32Array {
  const channelCount = shape.kvHeadCount * shape.headSize;
  const random = seededRandom(seed);
  const [keys, values] = [20, 41].map((token) => {
    const side = Float32Array.from({ length: 64 * channelCount }, () => (random() - 0.5) / 50);
    side[token * channelCount + seed % channelCount] = 65504;
    return side;
  });
  return rawTileFrom(shape, keys, values);
}

/** One sequence of all jobs' blocks, those with sinks as its first only: arena and directory. */
export function sealedSequence(
  input: ReturnType<typeof bandedInput>,
  layer: number,
  hasDropped = false,
): { arena: Uint32Array; directory: Uint32Array } {
  const { layout, tables } = input;
  const jobs = input.jobs.map((job, index) => ({
    ...job,
    firstToken: index === 0 ? layout.sinkCount : 0,
  }));
  const scratch = bandedScratch({ ...input, jobs }, hasDropped);
  const sinkWords = layout.sinkWords(true);
  const records = jobs.map(({ firstToken }, index) => {
    const entry = index * STORE_COUNT + layer;
    const source = bandedSource(layout, scratch, {
      entry,
      firstToken,
      tables: tables[layer],
    });
    const sinks = scratch.sinks.subarray(entry * sinkWords, (entry + 1) * sinkWords);
    return packBanded(layout, source, firstToken > 0 ? sinks : new Uint32Array());
  });
  // In reverse order, each with other words before it.
  const directory = new Uint32Array(records.length * ENTRY_WORDS);
  let end = 8;
  for (let index = records.length - 1; index >= 0; index--) {
    const entry = { word: end, tokenCount: 64, isFirst: index === 0 };
    directory.set(entryWords(entry), index * ENTRY_WORDS);
    end += records[index].length + 4 * (index % 3);
  }
  const arena = new Uint32Array(end).fill(0xdeadbeef);
  for (const [index, record] of records.entries()) {
    arena.set(record, readEntry(directory, index).word);
  }
  return { arena, directory };
}
