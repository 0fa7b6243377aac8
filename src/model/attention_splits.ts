/**
 * How sequences are split among workgroups of attention, and where their partial results lie.
 *
 * @module
 */

import {
  alignUp,
  BLOCK_TOKEN_COUNT,
  divCeil,
  WINDOW_TILE_COUNT,
  windowTileCount,
  WORD_SIZE_BYTES,
} from "../core/shapes.ts";
import { type Row, rowInSight, type Sight } from "../core/row.ts";
import type { AdapterFacts, Gpu } from "../gpu/gpu.ts";
import { type AttentionShape, querySize, type SplitShape } from "../kernels/text/attention.ts";
import { chooseVariant, type Variant } from "../kernels/variant.ts";
import type { BlockReaders } from "../kvcache/block_reader.ts";
import type { CacheShape } from "../kvcache/cache_shape.ts";
import type { KvCache } from "../kvcache/kv_cache.ts";
import type { HostValues } from "../kvcache/host_values.ts";
import type { Reading } from "../kvcache/reading.ts";
import type { PromptScores } from "../kvcache/prompt_scores.ts";
import type { ModelPlan } from "./plan.ts";
import type { RowGroup } from "./row_group.ts";
import type { ModelWeights } from "./weights.ts";

/** What of heads the partial results of queries depend on. */
type QueryShape = Pick<AttentionShape, "queryHeadCount" | "headSize" | "hasLatents">;

/** How many sealed blocks a split has, where the context does not ask for more. */
export interface SplitVariant extends Variant<QueryShape> {
  readonly blockCount: number;
}

function splitsOf(blockCount: number): SplitVariant {
  return { name: `${blockCount} blocks`, supports: () => true, tuned: [], blockCount };
}

/**
 * The fastest first: a workgroup has 256 tokens to hide its start. Smaller splits are more
 * workgroups, and more partial results; they run where they were measured to be faster.
 */
export const SPLIT_VARIANTS: readonly SplitVariant[] = [
  { ...splitsOf(4), tuned: ["software Vulkan"] },
  splitsOf(8),
  splitsOf(2),
  splitsOf(1),
];

/** What a choice among {@link SPLIT_VARIANTS} is kept by. */
export function splitsKey(shape: QueryShape): string {
  return `attention splits ${shape.queryHeadCount}x${querySize(shape)}`;
}

/** Most splits of sealed blocks: bounds the partial results of long contexts. */
const SEALED_SPLIT_COUNT_MAX = 128;

/**
 * Room for partial results is made in steps of so many splits: kernels have its size in their text,
 * and so contexts of nearly the same length share what is compiled.
 */
const SPLIT_ROOM_STEP = 8;

/** What attention is built from. */
export interface AttentionOptions {
  /** By layer. */
  shapes: readonly AttentionShape[];
  /** Of layers whose blocks are sealed. */
  sealedShape: AttentionShape;
  cache: KvCache;
  group: RowGroup;
  weights: Pick<ModelWeights, "layers">;
  /** Channels that are wanted of what queries get; all if left out. */
  wanted?: { first: number; count: number };
  /** Of sealed blocks. */
  readers: BlockReaders;
  /** What decode rows read of sealed blocks; everything if left out. */
  reading?: Reading | null;
  /** Where to sum up what tokens got from the last queries of prompts; nowhere if left out. */
  scores?: PromptScores | null;
  /** Values of sealed blocks that lie in host memory; all are in the arenas if left out. */
  values?: HostValues | null;
}

/** Heads and caps of a model's layers, and of those whose blocks are sealed. */
export function attentionShapes(
  { shape, layers }: Pick<ModelPlan, "shape" | "layers">,
): Pick<AttentionOptions, "shapes" | "sealedShape" | "wanted"> {
  const { queryHeadCount, kvHeadCount, headSize } = shape;
  const [{ attention: { softCap, latent } }] = layers;
  const all = { softCap, hasLatents: latent !== null };
  return {
    shapes: layers.map(({ attention }) => ({ ...attention.headShape, ...all })),
    sealedShape: { queryHeadCount, kvHeadCount, headSize, ...all },
    // Values are made of latents without their turned keys.
    ...(latent === null ? {} : { wanted: { first: latent.turnedSize, count: latent.rank } }),
  };
}

/** Rows whose partial results one buffer holds at least: those of a slice. */
const ROW_COUNT_MIN = BLOCK_TOKEN_COUNT;

/**
 * How sequences of a cache are split; the same for every row, whatever runs beside it.
 *
 * @param options `rowCount`: rows whose partial results a buffer holds. `bindingSizeMax`: bytes of
 * it that a kernel can bind.
 * @throws {RangeError} if not even one split of `blockCountMax` blocks fits, or not all tiles.
 */
export function splitShape(
  blockCountMax: number,
  options: {
    shape: QueryShape;
    rowCount: number;
    bindingSizeMax: number;
    /** Fewest sealed blocks of a split; those of the first variant if left out. */
    blocksPerSplitMin?: number;
    /** Raw tiles that a row reads beside sealed blocks; {@link WINDOW_TILE_COUNT} if left out. */
    windowTileCount?: number;
    /** Tiles that a row reads where layers see a window: at most the splits there is room for. */
    tileCountMax?: number;
  },
): SplitShape {
  const { shape, bindingSizeMax, tileCountMax = 0, windowTileCount = WINDOW_TILE_COUNT } = options;
  const { blocksPerSplitMin = SPLIT_VARIANTS[0].blockCount } = options;
  const rowCount = Math.max(ROW_COUNT_MIN, options.rowCount);
  const splitBytes = partialBytes(shape, rowCount);
  const sealedSplitCountMax = Math.min(
    SEALED_SPLIT_COUNT_MAX,
    Math.floor(bindingSizeMax / splitBytes) - windowTileCount,
  );
  const hasRoom = tileCountMax * splitBytes <= bindingSizeMax;
  if (sealedSplitCountMax < 1 || !hasRoom) {
    throw new RangeError(
      `Cannot attend ${rowCount} rows at a time: a split takes ${splitBytes} bytes of partial ` +
        `results, and the adapter binds ${bindingSizeMax}`,
    );
  }
  const blocksPerSplit = Math.max(
    blocksPerSplitMin,
    divCeil(blockCountMax, sealedSplitCountMax),
  );
  const splitCountMax = Math.max(
    divCeil(blockCountMax, blocksPerSplit) + windowTileCount,
    tileCountMax,
  );
  const boundCountMax = Math.floor(bindingSizeMax / splitBytes);
  const room = Math.min(alignUp(splitCountMax, SPLIT_ROOM_STEP), boundCountMax);
  return { blocksPerSplit, splitCountMax: room };
}

/**
 * Makes the f32 `[rows][queryHeadCount][splitCountMax][channels + 2]` of partial results, for any
 * layer.
 *
 * @param rowCount Rows there is room for; those of the group if left out.
 */
export function createPartials(
  gpu: Gpu,
  { shapes, group }: Pick<AttentionOptions, "shapes" | "group">,
  splits: SplitShape,
  rowCount = group.rowCountMax,
): GPUBuffer {
  const sizeBytes = splits.splitCountMax * partialBytes(widest(shapes), rowCount);
  return gpu.createBuffer("attention partials", sizeBytes);
}

/** Most bytes of the partial results of `rowCount` rows, whichever split variant runs. */
export function partialsSizeBytesMax(
  { bindingSizeMax }: Pick<AdapterFacts, "bindingSizeMax">,
  { shapes, cacheShape, rowCount }: {
    shapes: readonly AttentionShape[];
    cacheShape: SplitSource;
    rowCount: number;
  },
): number {
  const shape = widest(shapes);
  const { splitCountMax } = splitsOfCache(cacheShape, {
    ...{ shape, rowCount, bindingSizeMax },
    blocksPerSplitMin: Math.min(...SPLIT_VARIANTS.map(({ blockCount }) => blockCount)),
  });
  return splitCountMax * partialBytes(shape, rowCount);
}

/** The shape with the most partial results. */
export function widest(shapes: readonly AttentionShape[]): AttentionShape {
  return shapes.reduce((a, b) => partialBytes(b, 1) > partialBytes(a, 1) ? b : a);
}

/** Bytes of the partial results of one split of each row. */
function partialBytes(shape: QueryShape, rowCount: number): number {
  return rowCount * shape.queryHeadCount * (querySize(shape) + 2) * WORD_SIZE_BYTES;
}

/**
 * Splits of all layers of a cache.
 *
 * @param rowCount Rows whose partial results a buffer holds; those of the group if left out.
 */
export function cacheSplits(
  gpu: Gpu,
  { shapes, cache, group }: Pick<AttentionOptions, "shapes" | "cache" | "group">,
  rowCount = group.rowCountMax,
): SplitShape {
  const shape = widest(shapes);
  const { blockCount } = chooseVariant("attention splits", SPLIT_VARIANTS, {
    facts: gpu.facts,
    shape,
    key: splitsKey(shape),
  });
  return splitsOfCache(cache.shape, {
    shape,
    blocksPerSplitMin: blockCount,
    rowCount,
    bindingSizeMax: gpu.facts.bindingSizeMax,
  });
}

/** What of a cache the splits of its sequences follow from. */
type SplitSource = Pick<CacheShape, "blockCountMax" | "windowBlockCount" | "stores">;

function splitsOfCache(
  { blockCountMax, windowBlockCount, stores }: SplitSource,
  options: Omit<Parameters<typeof splitShape>[1], "windowTileCount" | "tileCountMax">,
): SplitShape {
  return splitShape(blockCountMax, {
    ...options,
    windowTileCount: windowTileCount(null, windowBlockCount),
    tileCountMax: Math.max(...stores.map(({ tileCount }) => tileCount)),
  });
}

/** What `make` gives for each kind of heads and window that layers have, by layer. */
export async function byWindow<T>(
  { shapes, cache }: Pick<AttentionOptions, "shapes" | "cache">,
  make: (options: { shape: AttentionShape; tileCount: number }) => Promise<T>,
): Promise<T[]> {
  const made = new Map<string, T>();
  const byLayer: T[] = [];
  for (const [layer, shape] of shapes.entries()) {
    const tileCount = cache.tileCountOf(layer);
    const key = JSON.stringify([shape, tileCount]);
    if (!made.has(key)) made.set(key, await make({ shape, tileCount }));
    byLayer.push(made.get(key)!);
  }
  return byLayer;
}

/** What the rows of a layer read at most: sealed blocks, and tiles of the window. */
export function readCounts(
  rows: readonly Row[],
  sight: Sight | null,
): { listCount: number; tileCount: number } {
  const own = sight === null ? rows : rows.map((row) => rowInSight(row, sight));
  return {
    listCount: Math.max(...own.map(({ listCount }) => listCount)),
    tileCount: Math.max(
      ...own.map(({ position, firstWindowBlock }) =>
        divCeil(position + 1, BLOCK_TOKEN_COUNT) - firstWindowBlock
      ),
    ),
  };
}
