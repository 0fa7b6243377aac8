/** The seeded caches of attention_case.ts with their sealed blocks as records of some codec. */

import type { Codec } from "../../src/codec/codec.ts";
import { ENTRY_WORDS, entryWords, readEntry } from "../../src/core/row.ts";
import { rawTileWords } from "../../src/codec/record.ts";
import { type AttentionCase, type CaseShape, makeAttentionCase } from "./attention_case.ts";

/** As `makeAttentionCase`, with the blocks that `codec` packs on the CPU. */
export function makeCodecCase(
  codec: Codec,
  shape: CaseShape,
  lengths: readonly number[],
  options: { seed?: number; scale?: number } = {},
): AttentionCase {
  const raw = makeAttentionCase(shape, lengths, "raw", options);
  const directory = new Uint32Array(raw.directory.length);
  const words: number[] = new Array(8).fill(0);
  for (let index = 0; index * ENTRY_WORDS < directory.length; index++) {
    const entry = readEntry(raw.directory, index);
    if (entry.word === 0) continue;
    const tile = raw.arena.slice(entry.word, entry.word + rawTileWords(shape));
    directory.set(entryWords({ ...entry, word: words.length }), index * ENTRY_WORDS);
    words.push(...codec.pack(tile, { layer: 0, blockIndex: index % raw.blockCountMax }));
  }
  return { ...raw, arena: Uint32Array.from([...words, 0, 0, 0, 0]), directory, layout: null };
}
