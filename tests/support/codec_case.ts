/** The seeded caches of attention_case.ts with their sealed blocks as records of some codec. */

import type { Codec } from "../../src/codec/codec.ts";
import { ENTRY_WORDS, entryWords, readEntry } from "../../src/core/row.ts";
import { rawTileFrom } from "../../src/codec/raw_tile.ts";
import { rawTileWords } from "../../src/codec/record.ts";
import { type AttentionCase, type CaseShape, makeAttentionCase } from "./attention_case.ts";
import { seededNormals } from "./numeric.ts";

/**
 * As `makeAttentionCase`, with the blocks that `codec` packs on the CPU.
 *
 * @param options `layer`: the layer that they are of. Before each record of layer 1 stands another
 * one, of layer 0.
 */
export function makeCodecCase(
  codec: Codec,
  shape: CaseShape,
  lengths: readonly number[],
  { layer = 0, ...options }: { seed?: number; scale?: number; layer?: 0 | 1 } = {},
): AttentionCase {
  const raw = makeAttentionCase(shape, lengths, "raw", options);
  const directory = new Uint32Array(raw.directory.length);
  const words: number[] = new Array(8).fill(0);
  for (let index = 0; index * ENTRY_WORDS < directory.length; index++) {
    const entry = readEntry(raw.directory, index);
    if (entry.word === 0) continue;
    const tile = raw.arena.slice(entry.word, entry.word + rawTileWords(shape));
    const blockIndex = index % raw.blockCountMax;
    if (layer === 1) {
      const before = rawTileFrom(shape, ...valuesBefore(shape, index));
      words.push(...codec.pack(before, { layer: 0, blockIndex }));
    }
    directory.set(entryWords({ ...entry, word: words.length }), index * ENTRY_WORDS);
    words.push(...codec.pack(tile, { layer, blockIndex }));
  }
  return { ...raw, arena: Uint32Array.from([...words, 0, 0, 0, 0]), directory, layout: null };
}

/** K and V of a layer before. */
function valuesBefore(
  { kvHeadCount, headSize }: CaseShape,
  seed: number,
): [keys: Float32Array, values: Float32Array] {
  const count = 64 * kvHeadCount * headSize;
  return [seededNormals(count, 2 * seed), seededNormals(count, 2 * seed + 1)];
}
