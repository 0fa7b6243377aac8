import { rawTileWords } from "../../codec/record.ts";
import { rawTileValues } from "../../codec/raw_tile.ts";
import { hiddenCount, readEntry, readRow, ROW_WORDS } from "../../core/row.ts";
import { BLOCK_TOKEN_COUNT, windowTile } from "../../core/shapes.ts";

/** Heads of a layer; sizes as in `AttentionShape` of the kernels. */
export interface AttentionReferenceShape {
  kvHeadCount: number;
  queryHeadCount: number;
  headSize: number;
  blocksPerSplit: number;
  splitCountMax: number;
  /** Scores become `softCap * tanh(score / softCap)`; not if null or left out. */
  softCap?: number | null;
  /** Whether keys and values are halves of latents, each of which is key and value. */
  hasLatents?: boolean;
}

/** Channels of a query, and of what it gets. */
export function referenceQuerySize(
  { headSize, hasLatents = false }: AttentionReferenceShape,
): number {
  return hasLatents ? 2 * headSize : headSize;
}

/** What query heads see of a run of tokens: f32 or f64 `[tokens][kvHeadCount * headSize]`. */
export interface VisibleTokens {
  keys: ArrayLike<number>;
  values: ArrayLike<number>;
  tokenCount: number;
}

/** Inputs of {@link attentionDecodeRawReference}, as the kernel binds them. */
export interface AttentionDecodeRawInputs {
  q: Float32Array;
  /** `ROW_WORDS` for each. */
  rows: Uint32Array;
  /** Window or arena. */
  tiles: Uint32Array;
  /** Read lists of `ENTRY_WORDS` an entry; the window has none. */
  directory?: Uint32Array;
  /** Of the window: tiles of a slot; 3 if left out. */
  tileCount?: number;
}

/**
 * Adds the partial results of one split of one row: m, l and o of each query head, in f64.
 *
 * @param partials `[row][query head][split][headSize + 2]`.
 */
export function attendSplit(
  shape: AttentionReferenceShape,
  partials: Float64Array,
  query: Float32Array,
  seen: VisibleTokens & { row: number; split: number },
): void {
  const { kvHeadCount, queryHeadCount, headSize, splitCountMax, hasLatents = false } = shape;
  const channelCount = kvHeadCount * headSize;
  const querySize = referenceQuerySize(shape);
  const keyOf = (place: number, c: number) =>
    c < headSize ? seen.keys[place + c] : seen.values[place + c - headSize];
  const valueOf = (place: number, c: number) =>
    hasLatents ? keyOf(place, c) : seen.values[place + c];
  for (let head = 0; head < queryHeadCount; head++) {
    const kvStart = Math.floor(head / (queryHeadCount / kvHeadCount)) * headSize;
    const scores = Array.from({ length: seen.tokenCount }, (_, token) => {
      let score = 0;
      for (let c = 0; c < querySize; c++) {
        score += query[head * querySize + c] * keyOf(token * channelCount + kvStart, c);
      }
      return capped(score / Math.sqrt(headSize), shape.softCap ?? null);
    });
    const peak = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    const start = ((seen.row * queryHeadCount + head) * splitCountMax + seen.split) *
      (querySize + 2);
    partials[start] = peak;
    for (const [token, score] of scores.entries()) {
      const weight = Math.exp(score - peak);
      partials[start + 1] += weight;
      for (let c = 0; c < querySize; c++) {
        partials[start + 2 + c] += weight * valueOf(token * channelCount + kvStart, c);
      }
    }
  }
}

function capped(score: number, softCap: number | null): number {
  return softCap === null ? score : softCap * Math.tanh(score / softCap);
}

/** The first `tokenCount` tokens of a raw tile, without those before `firstToken`. */
export function visibleOfTile(
  shape: AttentionReferenceShape,
  tiles: Uint32Array,
  range: { word: number; tokenCount: number; firstToken?: number },
): VisibleTokens {
  const tile = tiles.slice(range.word, range.word + rawTileWords(shape));
  const { tokenCount, firstToken = 0 } = range;
  const start = firstToken * shape.kvHeadCount * shape.headSize;
  const [keys, values] = ([0, 1] as const).map((side) =>
    rawTileValues(shape, tile, side).subarray(start)
  );
  return { keys, values, tokenCount: Math.max(0, tokenCount - firstToken) };
}

/** A run without its first `count` tokens. */
export function withoutFirst(
  run: VisibleTokens,
  count: number,
  channelCount: number,
): VisibleTokens {
  if (count === 0) return run;
  const { keys, values, tokenCount } = run;
  const rest = (side: ArrayLike<number>) => Array.from(side).slice(count * channelCount);
  return { keys: rest(keys), values: rest(values), tokenCount: Math.max(0, tokenCount - count) };
}

/** Joins runs of tokens into one. */
export function joinTokens(runs: readonly VisibleTokens[], channelCount: number): VisibleTokens {
  const tokenCount = runs.reduce((sum, run) => sum + run.tokenCount, 0);
  const keys = new Float64Array(tokenCount * channelCount);
  const values = new Float64Array(tokenCount * channelCount);
  let at = 0;
  for (const run of runs) {
    for (let i = 0; i < run.tokenCount * channelCount; i++, at++) {
      keys[at] = run.keys[i];
      values[at] = run.values[i];
    }
  }
  return { keys, values, tokenCount };
}

/**
 * Reference of `shaders/attention_decode/raw.wgsl`, in f64 from the f16 words.
 *
 * @returns Partials `[row][query head][split][channels + 2]`; splits not visited stay 0.
 */
export function attentionDecodeRawReference(
  shape: AttentionReferenceShape,
  inputs: AttentionDecodeRawInputs,
): Float64Array {
  const { kvHeadCount, queryHeadCount, headSize, blocksPerSplit, splitCountMax } = shape;
  const { q, rows, tiles, directory, tileCount } = inputs;
  const rowCount = rows.length / ROW_WORDS;
  const querySize = referenceQuerySize(shape);
  const width = queryHeadCount * querySize;
  const partials = new Float64Array(rowCount * queryHeadCount * splitCountMax * (querySize + 2));
  for (let row = 0; row < rowCount; row++) {
    const own = readRow(rows, row);
    const { slot, position, listStart, listCount, firstWindowBlock, reach } = own;
    const query = q.subarray(row * width, (row + 1) * width);
    const sealedSplitCount = Math.ceil(listCount / blocksPerSplit);
    if (directory) {
      for (let split = 0; split < sealedSplitCount; split++) {
        const end = Math.min(listCount, (split + 1) * blocksPerSplit);
        const runs: VisibleTokens[] = [];
        for (let block = split * blocksPerSplit; block < end; block++) {
          const firstToken = hiddenCount(own, block);
          const entry = readEntry(directory, listStart + block);
          runs.push(visibleOfTile(shape, tiles, { ...entry, firstToken }));
        }
        const seen = joinTokens(runs, kvHeadCount * headSize);
        attendSplit(shape, partials, query, { ...seen, row, split });
      }
      continue;
    }
    for (let block = firstWindowBlock; block * BLOCK_TOKEN_COUNT <= position; block++) {
      const tile = windowTile(slot, block, tileCount);
      const tokenCount = Math.min(BLOCK_TOKEN_COUNT, position + 1 - block * BLOCK_TOKEN_COUNT);
      const word = tile * rawTileWords(shape);
      const firstToken = Math.max(0, position + 1 - reach - block * BLOCK_TOKEN_COUNT);
      const seen = visibleOfTile(shape, tiles, { word, tokenCount, firstToken });
      const split = sealedSplitCount + block - firstWindowBlock;
      attendSplit(shape, partials, query, { ...seen, row, split });
    }
  }
  return partials;
}
