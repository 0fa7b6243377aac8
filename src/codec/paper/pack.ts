/**
 * Packing a quantised block into a layer record. FORMAT.md section 6.4.
 *
 * @module
 */

import { bitsFor, BLOCK_TOKEN_COUNT, divCeil } from "../../core/shapes.ts";
import { writeBits } from "../bits.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import type { PaperLayout } from "./layout.ts";
import type { QuantisedBlock } from "../quantised.ts";

/** The codes of one head and side in packed order: u8 `[headSize][tokenCount]`. */
interface SectionCodes {
  side: Side;
  tokenCount: number;
  codes: Uint8Array;
}

/**
 * Packs one layer of a block.
 *
 * @param order `[64]`: the original token at each packed place, as `repackOrder` gives it.
 * @returns Words of the record, a multiple of 4.
 *
 * @throws {RangeError} if a code does not fit the layout's code bits.
 */
export function packPaper(
  layout: PaperLayout,
  block: QuantisedBlock,
  order: Uint32Array,
): Uint32Array {
  const sections = packSections(layout, block, order);
  let start = layout.sectionsWord;
  const sectionWords = sections.reduce((sum, section) => sum + section.length, 0);
  const record = new Uint32Array(layout.recordWords(start + sectionWords - layout.fixedWords));
  for (const [index, section] of sections.entries()) {
    record[index] = start;
    record.set(section, start);
    start += section.length;
  }
  for (const side of [KEY, VALUE]) {
    const params = order.map((token) => block.sides[side].params[token]);
    record.set(params, layout.paramsWord(side));
  }
  return record;
}

/**
 * Payload words of each section of the record that {@link packPaper} gives.
 *
 * @returns u32 `[2 * kvHeadCount]`; the record has `layout.recordWords(their sum)` words.
 */
export function measurePaper(
  layout: PaperLayout,
  block: QuantisedBlock,
  order: Uint32Array,
): Uint32Array {
  const sections = packSections(layout, block, order);
  return Uint32Array.from(
    sections,
    (section, index) => section.length - layout.payloadWord(layout.sideOf(index)),
  );
}

function packSections(
  layout: PaperLayout,
  block: QuantisedBlock,
  order: Uint32Array,
): Uint32Array[] {
  return Array.from({ length: layout.sectionCount }, (_, index) => {
    const side = layout.sideOf(index);
    const head = index - side * layout.kvHeadCount;
    return packSection(layout, sectionCodes(layout, block, order, { side, head }));
  });
}

function sectionCodes(
  layout: PaperLayout,
  block: QuantisedBlock,
  order: Uint32Array,
  section: { side: Side; head: number },
): SectionCodes {
  const { headSize } = layout;
  const { tokenCount } = block;
  const { side, head } = section;
  const codeMax = 2 ** layout.bits(side) - 1;
  const codes = new Uint8Array(headSize * tokenCount);
  for (let i = 0; i < codes.length; i++) {
    const channel = head * headSize + Math.floor(i / tokenCount);
    const token = order[i % tokenCount];
    codes[i] = block.sides[side].codes[channel * BLOCK_TOKEN_COUNT + token];
    if (codes[i] > codeMax) {
      throw new RangeError(`Cannot pack code ${codes[i]} into ${layout.bits(side)} bits`);
    }
  }
  return { side, tokenCount, codes };
}

function packSection(layout: PaperLayout, source: SectionCodes): Uint32Array {
  const { headSize, packSize, rowCount } = layout;
  const { side } = source;
  const packs = Array.from({ length: rowCount * headSize }, (_, index) => {
    const row = Math.floor(index / headSize);
    const codes = packCodes(source, { row, channel: index % headSize, packSize });
    const minimum = codes.length === 0 ? 0 : Math.min(...codes);
    const width = codes.length === 0 ? 0 : bitsFor(Math.max(...codes) - minimum);
    return { row, channel: index % headSize, codes, minimum, width };
  });
  const payloadBits = packs.reduce((sum, { width }) => sum + packSize * width, 0);
  const words = new Uint32Array(layout.payloadWord(side) + divCeil(payloadBits, 32));
  let bit = layout.payloadWord(side) * 32;
  for (const { row, channel, codes, minimum, width } of packs) {
    for (let plane = 0; plane < layout.widthBits(side); plane++) {
      const planeBit = layout.planeWord(side, row, plane) * 32 + channel;
      writeBits(words, planeBit, { value: (width >> plane) & 1, widthBits: 1 });
    }
    const bits = layout.bits(side);
    const minimaBit = (layout.minimaWord(side) + row * layout.minimaRowWords(side)) * 32;
    writeBits(words, minimaBit + channel * bits, { value: minimum, widthBits: bits });
    for (const [place, code] of codes.entries()) {
      writeBits(words, bit + place * width, { value: code - minimum, widthBits: width });
    }
    bit += packSize * width;
  }
  return words;
}

/** Codes of the present tokens of one pack; empty if the pack lies behind the last token. */
function packCodes(
  source: SectionCodes,
  pack: { row: number; channel: number; packSize: number },
): Uint8Array {
  const { tokenCount, codes } = source;
  const start = Math.min(pack.row * pack.packSize, tokenCount);
  const end = Math.min(start + pack.packSize, tokenCount);
  return codes.subarray(pack.channel * tokenCount + start, pack.channel * tokenCount + end);
}
