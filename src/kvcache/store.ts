/**
 * What a cache keeps once, and how long.
 *
 * @module
 */

import { sealedWithinCount } from "../core/shapes.ts";

/** Keys and values that are kept once, for one layer or for several that read the same. */
export interface Store {
  /** The layer that writes it. */
  layer: number;
  /** Whether its blocks are sealed when they leave the window; otherwise they are dropped. */
  isSealed: boolean;
  /** Newest tokens that its layers see; null if they see all. */
  reach: number | null;
  /** Raw tiles of each slot. */
  tileCount: number;
  /** Words of a raw tile: 64 tokens of K and V as f16. */
  tileWords: number;
  /** Whether rows of some of its layers choose which of its sealed blocks they read. */
  isChosenOf: boolean;
  /** Whether the keys of its sealed blocks are summarised, to choose by. */
  isSummarised: boolean;
  /** Whether the values of its sealed blocks lie in host memory, and some on the device too. */
  hasValuesApart: boolean;
  /** Whether its records have codes; else they read those of the record before them. */
  hasCodes: boolean;
  /** Index of the arena group that holds its records, and raw tiles that are kept. */
  group: number;
}

/** Whether sealed blocks of a store are freed behind what its rows see. */
export function isNear<S extends Pick<Store, "isSealed" | "reach">>(
  store: S,
): store is S & { reach: number } {
  return store.isSealed && store.reach !== null;
}

/** Most sealed blocks of a sequence that a store holds. */
export function heldBlockCountMax(
  store: Pick<Store, "isSealed" | "reach">,
  { blockCountMax, windowBlockCount }: { blockCountMax: number; windowBlockCount: number },
): number {
  if (!store.isSealed) return 0;
  if (!isNear(store)) return blockCountMax;
  return Math.min(blockCountMax, sealedWithinCount(store.reach, windowBlockCount));
}

/** Whether all blocks of a store are sealed, and stay. */
export function keepsAll(store: Pick<Store, "isSealed" | "reach">): boolean {
  return store.isSealed && !isNear(store);
}
