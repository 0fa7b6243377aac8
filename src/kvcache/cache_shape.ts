/**
 * The sizes of the KV cache on the device, derived once from the model, the profile and the budget:
 * raw window, directory, and the arena split into groups of stores so that one binding holds each.
 *
 * @module
 */

import { rawTileWords } from "../codec/record.ts";
import { EngineError } from "../core/errors.ts";
import {
  alignUp,
  BLOCK_TOKEN_COUNT,
  blocksInReach,
  type LayerHeads,
  type ModelShape,
  SPARE_TILE_COUNT,
  WINDOW_BLOCK_COUNT,
  windowTileCount,
  WORD_SIZE_BYTES,
} from "../core/shapes.ts";
import { ENTRY_WORDS } from "../core/row.ts";
import { BINDING_ALIGNMENT_BYTES } from "../gpu/gpu.ts";
import type { NearStores } from "../scheduler/block_memory.ts";
import { type ArenaGroup, arenaGroups } from "./arena_groups.ts";
import { isNear, keepsAll, type Store } from "./store.ts";

/**
 * What a layer keeps: `sealed` blocks and a window; only the newest `reach` tokens, sealed as well
 * or all of them raw; `none`; or nothing of its own since it reads what another layer keeps.
 */
export type LayerKeeps =
  | "sealed"
  | { reach: number; isSealed?: boolean }
  | "none"
  | { sameAs: number };

/** Sizes of everything in the cache. */
export interface CacheShape {
  stores: readonly Store[];
  /** By layer: index of the store it reads; null for a layer that keeps nothing. */
  storeOf: readonly (number | null)[];
  /** Heads of sealed stores. */
  kvHeadCount: number;
  headSize: number;
  /** Sequences that can run at a time. */
  slotCount: number;
  /** Most sealed blocks of a sequence. */
  blockCountMax: number;
  /** Whole blocks of a sequence that stay raw behind its newest tokens. */
  windowBlockCount: number;
  /** Words of a raw tile of a sealed store. */
  tileWords: number;
  /** Words of the largest record of one store and block. */
  recordWordsMax: number;
  groups: readonly ArenaGroup[];
  /** Bytes from one store's part of the directory to the next. */
  directoryStrideBytes: number;
  /** First layers that read every block; null if all layers do. */
  denseLayerCount: number | null;
}

/** What the sizes follow from. */
export interface CacheOptions {
  slotCount: number;
  contextLength: number;
  recordWordsMax: number;
  /** Whole blocks that stay raw; {@link WINDOW_BLOCK_COUNT} if left out. */
  windowBlockCount?: number;
  /** What each layer keeps; all of them `sealed` if left out. */
  layerKeeps?: readonly LayerKeeps[];
  /** First layers that read every block, where the others choose; all layers do if left out. */
  denseLayerCount?: number | null;
  /**
   * Words of a record without codes, which odd layers have that read the codes of a sealed layer
   * before them; none have if null or left out.
   */
  codelessWords?: number | null;
  /**
   * Share of the arena for values of stores that layers choose of, whose values lie in host memory
   * otherwise; null or left out: records are whole, and their keys are summarised.
   */
  valueShare?: number | null;
  /** Heads of each layer; those of the model if left out. */
  layerHeads?: readonly Pick<LayerHeads, "kvHeadCount" | "headSize">[];
  /** Budget of the arena in bytes; what all slots can ever need if left out. */
  arenaSizeBytes?: number;
  /** Most bytes of the arena if no budget is given. */
  arenaLimitBytes?: number;
  /** Largest buffer range one binding may hold. */
  bindingSizeMax: number;
}

/**
 * Derives the sizes.
 *
 * @throws {EngineError} `model_too_large` if one slot's window does not fit a binding, or
 * the budget is less than one block.
 */
export function cacheShape(model: ModelShape, options: CacheOptions): CacheShape {
  const { layerCount, kvHeadCount, headSize } = model;
  const { slotCount, contextLength, recordWordsMax, bindingSizeMax } = options;
  const { windowBlockCount = WINDOW_BLOCK_COUNT } = options;
  const tileWords = rawTileWords(model);
  const blockCountMax = Math.max(
    1,
    Math.floor(contextLength / BLOCK_TOKEN_COUNT) - windowBlockCount,
  );
  const layerKeeps = options.layerKeeps ?? new Array<LayerKeeps>(layerCount).fill("sealed");
  const { layerHeads = new Array<ModelShape>(layerCount).fill(model) } = options;
  const { denseLayerCount = null, valueShare = null } = options;
  const { storeOf, kinds } = storesOf(layerKeeps, {
    layerHeads,
    windowBlockCount,
    denseLayerCount,
    sharesCodes: (options.codelessWords ?? null) !== null,
    hasValuesApart: valueShare !== null,
  });
  const windowBytes = Math.max(...kinds.map((kind) => windowSizeBytes({ slotCount }, kind)));
  if (windowBytes > bindingSizeMax) {
    throw new EngineError(
      "model_too_large",
      `Cannot hold the raw window of ${slotCount} sequences: ${windowBytes} bytes per layer ` +
        `exceed the adapter's binding limit of ${bindingSizeMax}; use fewer --sequences or a ` +
        `shorter --window`,
    );
  }
  const groups = arenaGroups(kinds, { ...options, blockCountMax, windowBlockCount });
  const stores = kinds.map((kind, store) => ({ ...kind, group: groupOf(groups, store) }));
  const directoryStrideBytes = alignUp(
    slotCount * blockCountMax * ENTRY_WORDS * WORD_SIZE_BYTES,
    BINDING_ALIGNMENT_BYTES,
  );
  const shape = {
    stores,
    storeOf,
    kvHeadCount,
    headSize,
    slotCount,
    blockCountMax,
    windowBlockCount,
    tileWords,
    recordWordsMax,
    groups,
    directoryStrideBytes,
    denseLayerCount,
  };
  checkSummaries(shape, bindingSizeMax);
  return shape;
}

function checkSummaries(shape: CacheShape, bindingSizeMax: number): void {
  const sizeBytes = summarySizeBytes(shape);
  if (!shape.stores.some(({ isSummarised }) => isSummarised) || sizeBytes <= bindingSizeMax) return;
  throw new EngineError(
    "model_too_large",
    `Cannot keep summaries of the blocks of ${shape.slotCount} sequences: ${sizeBytes} bytes per ` +
      `layer exceed the adapter's binding limit of ${bindingSizeMax}; use fewer --sequences or a ` +
      "smaller --ctx, or leave out --read",
  );
}

/** Device bytes of the summaries of a store: an f16 pair for each K channel, entry and slot. */
export function summarySizeBytes(
  { slotCount, blockCountMax, kvHeadCount, headSize }: Pick<
    CacheShape,
    "slotCount" | "blockCountMax" | "kvHeadCount" | "headSize"
  >,
): number {
  return slotCount * blockCountMax * kvHeadCount * headSize * WORD_SIZE_BYTES;
}

/** Device bytes of the raw windows of a store. */
export function windowSizeBytes(
  { slotCount }: Pick<CacheShape, "slotCount">,
  { tileCount, tileWords }: Pick<Store, "tileCount" | "tileWords">,
): number {
  return slotCount * tileCount * tileWords * WORD_SIZE_BYTES;
}

/** Device bytes of windows, arenas, directory and summaries. */
export function cacheSizeBytes(
  shape: CacheShape,
): { window: number; arena: number; directory: number; summaries: number } {
  return {
    summaries: shape.stores.filter(({ isSummarised }) => isSummarised).length *
      summarySizeBytes(shape),
    window: shape.stores.reduce((sum, store) => sum + windowSizeBytes(shape, store), 0),
    arena: arenaWords(shape) * WORD_SIZE_BYTES,
    directory: shape.stores.length * shape.directoryStrideBytes,
  };
}

/** Words of all arenas, those for values that come and go among them. */
export function arenaWords({ groups }: Pick<CacheShape, "groups">): number {
  return groups.reduce((sum, group) => sum + group.wordCount + group.valueWordCount, 0);
}

/** Words of a raw tile by store, and how many a sequence needs before the block it begins at. */
export function rawTiles(
  { stores }: CacheShape,
): { tileWords: readonly number[]; rawTileCount: number } {
  const tileCountMax = Math.max(...stores.map(({ tileCount }) => tileCount));
  return {
    tileWords: stores.map(({ tileWords }) => tileWords),
    rawTileCount: tileCountMax - SPARE_TILE_COUNT,
  };
}

/** Stores whose rows see their newest tokens only, and whose blocks are sealed; null for none. */
export function nearStores({ stores }: Pick<CacheShape, "stores">): NearStores | null {
  const near = stores.flatMap((own, store) => isNear(own) ? [{ store, reach: own.reach }] : []);
  if (near.length === 0) return null;
  return {
    stores: near.map(({ store }) => store),
    blockCount: blocksInReach(Math.max(...near.map(({ reach }) => reach))),
  };
}

function storesOf(
  layerKeeps: readonly LayerKeeps[],
  options: {
    layerHeads: NonNullable<CacheOptions["layerHeads"]>;
    windowBlockCount: number;
    denseLayerCount: number | null;
    sharesCodes: boolean;
    hasValuesApart: boolean;
  },
) {
  const { layerHeads, windowBlockCount, denseLayerCount, sharesCodes, hasValuesApart } = options;
  const { length: layerCount } = layerHeads;
  if (layerKeeps.length !== layerCount) {
    throw new RangeError(`Cannot keep what ${layerKeeps.length} of ${layerCount} layers say`);
  }
  const storeOf: (number | null)[] = [];
  const kinds: Omit<Store, "group" | "isSummarised" | "hasValuesApart">[] = [];
  for (const [layer, keeps] of layerKeeps.entries()) {
    if (typeof keeps === "object" && "sameAs" in keeps) {
      const other = keeps.sameAs < layer ? storeOf[keeps.sameAs] : null;
      if (other === null || other === undefined) {
        throw new RangeError(
          `Cannot let layer ${layer} read what layer ${keeps.sameAs} keeps: ` +
            `wanted a layer before it that keeps something`,
        );
      }
      storeOf.push(other);
    } else if (keeps === "none") {
      storeOf.push(null);
    } else {
      storeOf.push(kinds.length);
      const { reach, isSealed = false } = keeps === "sealed"
        ? { reach: null, isSealed: true }
        : keeps;
      const tileCount = windowTileCount(isSealed ? null : reach, windowBlockCount);
      const tileWords = rawTileWords(layerHeads[layer]);
      const before = kinds.at(-1);
      const followsSealed = before?.layer === layer - 1 && before.isSealed;
      const hasCodes = !(sharesCodes && isSealed && layer % 2 === 1 && followsSealed);
      const isChosenOf = false;
      kinds.push({ layer, isSealed, reach, tileCount, tileWords, isChosenOf, hasCodes });
    }
    const store = storeOf[layer];
    const chooses = denseLayerCount !== null && layer >= denseLayerCount;
    if (store !== null && chooses) kinds[store].isChosenOf = keepsAll(kinds[store]);
  }
  if (!kinds.some(keepsAll)) {
    throw new RangeError("Cannot make a cache: no layer keeps sealed blocks");
  }
  const ways = kinds.map((kind) => ({
    ...kind,
    isSummarised: kind.isChosenOf && !hasValuesApart,
    hasValuesApart: kind.isChosenOf && hasValuesApart,
  }));
  return { storeOf, kinds: ways };
}

function groupOf(groups: readonly ArenaGroup[], store: number): number {
  return groups.findIndex(({ firstStore, storeCount }) => store < firstStore + storeCount);
}
