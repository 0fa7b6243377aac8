/** Seeded caches for the attention tests: several slots of different lengths, sealed and raw. */

import { assertEquals } from "@std/assert";
import { PaperLayout } from "../../src/codec/paper/layout.ts";
import { rawTileWords } from "../../src/codec/record.ts";
import { packPaper } from "../../src/codec/paper/pack.ts";
import { quantisePaper } from "../../src/codec/paper/quantise.ts";
import { rawTileFrom } from "../../src/codec/raw_tile.ts";
import { repackOrder } from "../../src/codec/repack.ts";
import type { RepackRule } from "../../src/codec/repack.ts";
import {
  ENTRY_WORDS,
  entryWords,
  hiddenCount,
  readEntry,
  readRow,
  type Row,
  ROW_WORDS,
  rowInSight,
  rowWords,
} from "../../src/core/row.ts";
import {
  BLOCK_TOKEN_COUNT,
  sealedBlockCount,
  WINDOW_BLOCK_COUNT,
  WINDOW_TILE_COUNT,
} from "../../src/core/shapes.ts";
import { seededNormals, seededRandom } from "./numeric.ts";

/** Fails if two arrays differ, naming the first place; a full comparison would print megabytes. */
export function assertSameBits(
  actual: Uint32Array | Float32Array,
  expected: Uint32Array | Float32Array,
): void {
  assertEquals(actual.length, expected.length);
  const place = actual.findIndex((value, i) => !Object.is(value, expected[i]));
  if (place < 0) return;
  const [found, wanted] = [actual[place], expected[place]];
  throw new Error(`Value ${place} of ${actual.length} is ${found}, expected ${wanted}`);
}

/** Heads and splits of a case. */
export interface CaseShape {
  kvHeadCount: number;
  queryHeadCount: number;
  headSize: number;
  blocksPerSplit: number;
  splitCountMax: number;
  softCap?: number | null;
  hasLatents?: boolean;
}

/** How sealed blocks are stored in a case. */
export type SealedForm = "raw" | {
  packSize: 4 | 8 | 16 | 32;
  keyRel: number;
  valueRel: number;
  repack?: RepackRule;
};

/** Device data of a case, as the kernels bind them. */
export interface AttentionCase {
  shape: CaseShape;
  q: Float32Array;
  /** `ROW_WORDS` for each. */
  rows: Uint32Array;
  window: Uint32Array;
  arena: Uint32Array;
  directory: Uint32Array;
  blockCountMax: number;
  /** Of packed cases. */
  layout: PaperLayout | null;
  /** Most sealed blocks of a row. */
  blockCountLargest: number;
}

/** A case's heads, splits for up to `blockCountMax` blocks included. */
export function caseShape(
  heads: { kvHeadCount: number; groupSize: number; headSize: number; hasLatents?: boolean },
  splits: { blocksPerSplit: number; blockCountMax: number },
): CaseShape {
  const { groupSize, ...ofHeads } = heads;
  const { blocksPerSplit, blockCountMax } = splits;
  const splitCountMax = Math.ceil(blockCountMax / blocksPerSplit) + WINDOW_TILE_COUNT;
  const queryHeadCount = heads.kvHeadCount * groupSize;
  return { ...ofHeads, queryHeadCount, blocksPerSplit, splitCountMax };
}

/**
 * Makes a cache in which slot `i` holds `lengths[i]` tokens, and a row at each one's last token.
 *
 * @param options `scale` multiplies the queries; `seed` fixes everything.
 */
export function makeAttentionCase(
  shape: CaseShape,
  lengths: readonly number[],
  form: SealedForm,
  options: { seed?: number; scale?: number } = {},
): AttentionCase {
  const { seed = 1, scale = 1 } = options;
  const tileWords = rawTileWords(shape);
  const blockCounts = lengths.map((length) => sealedBlockCount(length, WINDOW_BLOCK_COUNT));
  const blockCountLargest = Math.max(...blockCounts);
  const blockCountMax = blockCountLargest + 1;
  const window = new Uint32Array(lengths.length * WINDOW_TILE_COUNT * tileWords);
  const directory = new Uint32Array(lengths.length * blockCountMax * ENTRY_WORDS);
  const entryOf = ({ slot, block }: { slot: number; block: number }) =>
    slot * blockCountMax + block;
  const layout = form === "raw" ? null : PaperLayout.forProfile(shape, {
    name: "paper",
    repack: "none",
    ...form,
  });
  // Records lie in a shuffled order with gaps, as an allocator leaves them.
  const records: { slot: number; block: number; words: Uint32Array }[] = [];
  for (const [slot, length] of lengths.entries()) {
    for (let block = 0; block * BLOCK_TOKEN_COUNT < length; block++) {
      const tokenCount = Math.min(BLOCK_TOKEN_COUNT, length - block * BLOCK_TOKEN_COUNT);
      const tile = seededTile(shape, { tokenCount, seed: seed + slot * 7919 + block * 31 });
      if (block < blockCounts[slot]) {
        records.push({ slot, block, words: sealedWords(shape, tile, { form, layout }) });
      } else {
        const place = slot * WINDOW_TILE_COUNT + block % WINDOW_TILE_COUNT;
        window.set(tile, place * tileWords);
      }
    }
  }
  const random = seededRandom(seed + 5);
  records.sort(() => random() - 0.5);
  let word = 8;
  for (const record of records) {
    const entry = { word, tokenCount: BLOCK_TOKEN_COUNT, isFirst: record.block === 0 };
    directory.set(entryWords(entry), entryOf(record) * ENTRY_WORDS);
    word += record.words.length + 4 * Math.floor(random() * 3);
  }
  const arena = new Uint32Array(word + 4);
  for (const record of records) {
    arena.set(record.words, readEntry(directory, entryOf(record)).word);
  }
  const rows = rowWords(
    lengths.map((length, slot) =>
      rowOf({ slot, position: length - 1, blockCount: blockCounts[slot] }, blockCountMax)
    ),
  );
  const q = seededNormals(lengths.length * shape.queryHeadCount * shape.headSize, seed + 3, scale);
  return {
    shape,
    q,
    rows,
    window,
    arena,
    directory,
    blockCountMax,
    layout,
    blockCountLargest,
  };
}

/** A row that reads the first `blockCount` blocks of its slot, and the window behind them. */
export function rowOf(
  { slot, position, blockCount }: { slot: number; position: number; blockCount: number },
  blockCountMax: number,
): Row {
  const listStart = slot * blockCountMax;
  const reads = { listStart, listCount: blockCount, firstWindowBlock: blockCount };
  return { slot, position, ...reads, idIndex: 0 };
}

/** Lengths at which {@link REACH} hides sinks, more of a first block, and all of it and more. */
export const REACH_LENGTHS = [302, 323, 600, 640];

/** Newest tokens that rows of {@link withReach} see. */
export const REACH = 300;

/** The same case where each row sees its newest tokens alone. */
export function withReach<Case extends AttentionCase>(attention: Case): Case {
  const { rows } = attention;
  const own = Array.from(
    { length: rows.length / ROW_WORDS },
    (_, row) => rowInSight(readRow(rows, row), { reach: REACH, isSealed: true }),
  );
  const hidden = own.map((row) => hiddenCount(row, 0));
  assertEquals(hidden.map((count) => count > 0), own.map(() => true), "rows do not see all");
  return { ...attention, rows: rowWords(own) };
}

/** The same case without the rows before `first`. */
export function rowsFrom<Case extends AttentionCase>(attention: Case, first: number): Case {
  const { q, rows, shape: { queryHeadCount, headSize } } = attention;
  const width = queryHeadCount * headSize;
  return { ...attention, q: q.slice(first * width), rows: rows.slice(first * ROW_WORDS) };
}

/** Makes the records of a case those of 1, 2, 3 … tokens. */
export function shortenRecords({ directory }: AttentionCase): void {
  for (let entry = 0; entry * ENTRY_WORDS < directory.length; entry++) {
    const word = entry * ENTRY_WORDS + 1;
    if (directory[word] !== 0) directory[word] = (directory[word] & ~0xffff) | (1 + entry % 64);
  }
}

/** Raw tile of seeded K and V; a few K channels are large, as in real models. */
export function seededTile(
  shape: { kvHeadCount: number; headSize: number },
  options: { tokenCount: number; seed: number },
): Uint32Array {
  const channelCount = shape.kvHeadCount * shape.headSize;
  const count = options.tokenCount * channelCount;
  const keys = seededNormals(count, options.seed * 2 + 1);
  const values = seededNormals(count, options.seed * 2 + 2);
  for (let i = 0; i < count; i++) {
    const channel = i % channelCount;
    const isLarge = channel % 29 === 3;
    keys[i] = isLarge ? 4 + keys[i] : keys[i] * (0.2 + (channel % 7) / 7);
  }
  return rawTileFrom(shape, keys, values);
}

function sealedWords(
  shape: CaseShape,
  tile: Uint32Array,
  options: { form: SealedForm; layout: PaperLayout | null },
): Uint32Array {
  const { form, layout } = options;
  if (form === "raw" || layout === null) return tile;
  const block = quantisePaper(shape, tile, form);
  return packPaper(layout, block, repackOrder(form.repack ?? "none", block, layout.packSize));
}
