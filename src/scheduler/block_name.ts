/**
 * Names of blocks: a chained hash, so that a name stands for all tokens up to the block's end.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";

/** Hex digits of a name: 128 bits, so that neither chance nor a search finds two equal ones. */
const NAME_LENGTH = 32;

/**
 * The name that the first block's follows from.
 *
 * @param parts What must be equal for blocks to be shared: model, profile, format, numerics, salt.
 */
export function rootName(parts: readonly string[]): string {
  return digest((hash) => hash.update(JSON.stringify(parts)));
}

/**
 * Names of the first `blockCount` blocks of a sequence.
 *
 * @param ids At least `64 * blockCount` tokens, each a u32.
 */
export function blockNames(root: string, ids: readonly number[], blockCount: number): string[] {
  const names: string[] = [];
  let parent = root;
  for (let block = 0; block < blockCount; block++) {
    const start = block * BLOCK_TOKEN_COUNT;
    const tokens = Uint32Array.from(ids.slice(start, start + BLOCK_TOKEN_COUNT));
    const before = parent;
    parent = digest((hash) => hash.update(before).update(new Uint8Array(tokens.buffer)));
    names.push(parent);
  }
  return names;
}

function digest(fill: (hash: ReturnType<typeof createHash>) => void): string {
  const hash = createHash("sha256");
  fill(hash);
  return hash.digest("hex").slice(0, NAME_LENGTH);
}
