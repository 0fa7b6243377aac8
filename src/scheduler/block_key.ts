/**
 * Keys of blocks: what the tiers find them by. A key is a name and a kind; blocks that only one
 * sequence may find have names that no hash has.
 *
 * @module
 */

/**
 * `sealed`: a packed block. `near`: the same of stores whose rows see their newest tokens only, to
 * be freed behind these. `raw`: a copy of its raw tiles, to begin a sequence behind it.
 */
export type ItemKind = "sealed" | "near" | "raw";

/** All of them. */
export const ITEM_KINDS: readonly ItemKind[] = ["sealed", "near", "raw"];

/** Beginning of keys under which only one sequence finds a block; no block's name has it. */
const OWN_PREFIX = "swap/";
const SHARED_KEY = /^[0-9a-f]{32}\.(sealed|near|raw)$/;

/** The key of a block of a kind, by its name. */
export function blockKey(name: string, kind: ItemKind): string {
  return `${name}.${kind}`;
}

/** The key of a block that a preempted sequence leaves for itself. */
export function ownKey(arrivalIndex: number, blockIndex: number, kind: ItemKind): string {
  return blockKey(`${OWN_PREFIX}${arrivalIndex}/${blockIndex}`, kind);
}

/** The kind of block that a key stands for. */
export function kindOfKey(key: string): ItemKind {
  return ITEM_KINDS.find((kind) => key.endsWith(`.${kind}`)) ?? "sealed";
}

/** Whether a key is of a block that one sequence left for itself. */
export function isOwnKey(key: string): boolean {
  return key.startsWith(OWN_PREFIX);
}

/** Whether a text is a key of a block that sequences share. */
export function isSharedKey(text: string): boolean {
  return SHARED_KEY.test(text);
}
