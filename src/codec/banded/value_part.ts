/**
 * Records whose values lie apart: what is before the sections of V stays, these move. FORMAT.md
 * section 7.5.
 *
 * @module
 */

import { alignUp, RECORD_ALIGN_WORDS } from "../../core/shapes.ts";
import type { ValuePart } from "../record.ts";
import { extraWords } from "./dropped.ts";
import { type BandedLayout, PLANE_WORDS } from "./layout.ts";

/**
 * Where the values of a record lie.
 *
 * @param sizes Of its sections as kernels measure them, in the order of the section table.
 */
export function valuePart(
  layout: BandedLayout,
  sizes: ArrayLike<number>,
  hasSinks: boolean,
): ValuePart {
  const starts: number[] = [];
  let end = layout.sectionsWord(hasSinks);
  for (let section = 0; section < layout.sectionCount; section++) {
    starts.push(end);
    end += PLANE_WORDS + extraWords(sizes[section]);
  }
  const keySectionCount = layout.sectionCount / 2;
  const [valuesWord] = starts.slice(keySectionCount);
  const firstWord = valuesWord - valuesWord % RECORD_ALIGN_WORDS;
  return {
    keyWords: alignUp(valuesWord, RECORD_ALIGN_WORDS),
    firstWord,
    wordCount: alignUp(end, RECORD_ALIGN_WORDS) - firstWord,
    tableWord: keySectionCount,
    sections: starts.slice(keySectionCount),
  };
}
