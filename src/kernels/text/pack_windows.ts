/**
 * WGSL text that reads one side of a record: widths and minima, and the payload of a pack at each
 * lane's own bit offset. No branches, no loops.
 *
 * @module
 */

import type { PaperLayout } from "../../codec/paper/layout.ts";
import type { Side } from "../../codec/record.ts";
import { divCeil } from "../../core/shapes.ts";

/** How the packs of one side are read. */
export interface WindowShape {
  /** Prefix of the text's names. */
  name: string;
  /** Tokens per pack. */
  packSize: number;
  /** Bits of a code. */
  bits: number;
  /** Tokens of a unit, what 8 lanes work on at a time: a pack, half of one of 32, two of 4. */
  unitTokens: number;
  /** Pack rows of a unit: 1, or 2 with packs of 4. */
  rowsPerUnit: number;
  /** Tokens of a unit in one row: what is read at a time. */
  readTokens: number;
  /** Tokens in one result word: as many as fit at full width, 8 or 4. */
  wordTokens: number;
  /** Result words of up to 8 tokens of one row. */
  wordsPerEight: number;
  /** Words that the bits read at a time can touch. */
  touchedWords: number;
}

/** Words that 8 lanes load together as vec4. */
const CHUNK_WORDS = 32;

/** Sizes of the text for one side of a layout; `name` is the prefix of its names. */
export function windowShape(name: string, layout: PaperLayout, side: Side): WindowShape {
  const { packSize } = layout;
  const bits = layout.bits(side);
  const readTokens = Math.min(16, packSize);
  const unitTokens = Math.max(8, readTokens);
  const wordTokens = bits <= 4 ? Math.min(8, readTokens) : 4;
  return {
    name,
    packSize,
    bits,
    unitTokens,
    rowsPerUnit: unitTokens / readTokens,
    readTokens,
    wordTokens,
    wordsPerEight: Math.min(8, readTokens) / wordTokens,
    // Offsets are multiples of readTokens bits.
    touchedWords: divCeil(32 - readTokens + readTokens * bits, 32),
  };
}

/** Whether the packs of `channelCount` neighbouring channels surely lie in a chunk of 32 words. */
export function fitsChunk(shape: WindowShape, channelCount: number): boolean {
  // A chunk starts at a multiple of 4 words, the first pack anywhere in the word of its offset.
  return divCeil(channelCount * shape.packSize * shape.bits, 32) + 3 + 1 <= CHUNK_WORDS;
}

/**
 * Text of
 * - `<Name>Windows` with members `x<n>_<h>`: word `h` of tokens `8n … 8n+7` of what is
 *   read, with anything above the word's tokens;
 * - `load_<name>_chunk(base, first_offset)`: what 8 lanes load together, if `chunked`;
 * - `<name>_windows(chunk, base, offset, width)`, where offsets count bits from word `base`;
 * - `<name>_code_<n>(windows, source, width)`: the bits of token `8n + lane % 8` of what lane
 *   `source` has read, with other tokens' bits above them; with packs of 4, of token `lane % 4`.
 *
 * Needs `arena`, and `arena_chunks` if `chunked`.
 */
export function windowsText(shape: WindowShape, chunked: boolean): string {
  const { name, touchedWords } = shape;
  const type = typeName(name);
  const { lines, results } = windowLines(shape);
  const members = results.map((_, i) => `${memberName(shape, i)}: u32`);
  const words = Array.from({ length: touchedWords }, (_, j) => {
    const from = chunked ? `chunk_word(chunk, first + ${j}u)` : `arena[first + ${j}u]`;
    return `let word${j} = ${from};`;
  });
  const chunk = chunked
    ? `let origin = (base + (first_offset >> 5u)) & 0xfffffffcu;
  return Chunk(arena_chunks[(origin >> 2u) + (lane & 7u)], origin);`
    : "return Chunk();";
  return `struct ${type}Windows { ${members.join(", ")} }
fn load_${name}_chunk(base: u32, first_offset: u32) -> Chunk {
  ${chunk}
}
fn ${name}_windows(chunk: Chunk, base: u32, offset: u32, width: u32) -> ${type}Windows {
  let first = base + (offset >> 5u);
  ${[...words, ...lines].join("\n  ")}
  return ${type}Windows(${results.join(", ")});
}
${tokenCodeText(shape)}`;
}

/**
 * Text of `<Name>Side` and `load_<name>_side(section, row, part)`: bit planes of widths (lane `j`
 * of 8 holds plane `j`) and minima of 32 channels; and `<name>_minimum(side, channel)`.
 */
export function sideText(shape: WindowShape, layout: PaperLayout, side: Side): string {
  const { name, bits } = shape;
  const type = typeName(name);
  const widthBits = layout.widthBits(side);
  const { planeWords } = layout;
  // One load serves both if 8 lanes suffice.
  const isJoint = widthBits + bits <= 8;
  const minimaLane = isJoint ? widthBits : 0;
  const plane = `(row * ${widthBits}u + min(lane & 7u, ${widthBits - 1}u)) * ${planeWords}u + part`;
  const field = `min((lane & 7u) - ${minimaLane}u, ${bits - 1}u)`;
  const minima = `${
    layout.minimaWord(side)
  }u + (row * ${planeWords}u + part) * ${bits}u + ${field}`;
  const load = isJoint
    ? `let words = arena[section + select(${minima}, ${plane}, (lane & 7u) < ${widthBits}u)];
  return ${type}Side(words, words);`
    : `return ${type}Side(arena[section + ${plane}], arena[section + ${minima}]);`;
  return `struct ${type}Side { planes: u32, minima: u32 }
fn load_${name}_side(section: u32, row: u32, part: u32) -> ${type}Side {
  ${load}
}
fn ${name}_minimum(side: ${type}Side, channel: u32) -> u32 {
  let octet = lane & 0xfffffff8u;
  let place = channel * ${bits}u;
  let low = shuffle_word(side.minima, octet + (((place >> 5u) + ${minimaLane}u) & 7u));
  let high = shuffle_word(side.minima, octet + (((place >> 5u) + ${minimaLane + 1}u) & 7u));
  return funnel(low, high, place & 31u) & ${2 ** bits - 1}u;
}
`;
}

/**
 * Text of `code_of_row(row, code)` and `heads_of_row(row, heads)`: the value where row `row` of a
 * unit is that of the lane's token, 0 elsewhere.
 */
export function rowText({ rowsPerUnit }: WindowShape): string {
  const own = (value: string, zero: string) =>
    rowsPerUnit === 1 ? value : `select(${zero}, ${value}, ((lane >> 2u) & 1u) == row)`;
  return `fn code_of_row(row: u32, code: u32) -> u32 {
  return ${own("code", "0u")};
}
fn heads_of_row(row: u32, heads: Heads) -> Heads {
  return ${own("heads", "Heads(0.0)")};
}
`;
}

/** Text of what all sides share: `Chunk`, `chunk_word` and `funnel`. */
export const PACK_TEXT = `struct Chunk { words: vec4<u32>, origin: u32 }
// A word, by its place in the arena, from the lane of 8 that holds it.
fn chunk_word(chunk: Chunk, place: u32) -> u32 {
  let index = place - chunk.origin;
  let source = (lane & 0xfffffff8u) + ((index >> 2u) & 7u);
  let x = shuffle_word(chunk.words.x, source);
  let y = shuffle_word(chunk.words.y, source);
  let z = shuffle_word(chunk.words.z, source);
  let w = shuffle_word(chunk.words.w, source);
  let is_upper = (index & 2u) != 0u;
  return select(select(x, z, is_upper), select(y, w, is_upper), (index & 1u) != 0u);
}
// Bits \`shift\` to \`shift + 31\` of the pair; shift is 0 to 31.
fn funnel(low: u32, high: u32, shift: u32) -> u32 {
  return (low >> shift) | ((high << 1u) << (31u - shift));
}
`;

function windowLines(shape: WindowShape): { lines: string[]; results: string[] } {
  const { readTokens, wordTokens, bits, touchedWords } = shape;
  const word = (index: number) => index < touchedWords ? `word${index}` : "0u";
  const lines: string[] = [];
  const results: string[] = [];
  for (let i = 0; i < readTokens / wordTokens; i++) {
    lines.push(`let place${i} = (offset & 31u) + ${i * wordTokens}u * width;`);
    let low = word(0);
    let high = word(1);
    const indexMax = Math.floor((32 - readTokens + i * wordTokens * bits) / 32);
    for (let j = 1; j <= Math.min(indexMax, touchedWords - 1); j++) {
      low = `select(${low}, ${word(j)}, place${i} >= ${32 * j}u)`;
      high = `select(${high}, ${word(j + 1)}, place${i} >= ${32 * j}u)`;
    }
    lines.push(`let low${i} = ${low};`, `let high${i} = ${high};`);
    results.push(`funnel(low${i}, high${i}, place${i} & 31u)`);
  }
  return { lines, results };
}

function tokenCodeText(shape: WindowShape): string {
  const { name, unitTokens, wordTokens, wordsPerEight } = shape;
  let text = "";
  for (let n = 0; n < unitTokens / 8; n++) {
    const words = Array.from(
      { length: wordsPerEight },
      (_, h) => `shuffle_word(windows.x${n}_${h}, source)`,
    );
    const bits = wordsPerEight === 1 ? words[0] : `select(${words.join(", ")}, (lane & 4u) != 0u)`;
    text += `fn ${name}_code_${n}(windows: ${
      typeName(name)
    }Windows, source: u32, width: u32) -> u32 {
  return ${bits} >> ((lane & ${wordTokens - 1}u) * width);
}
`;
  }
  return text;
}

function memberName(shape: WindowShape, index: number): string {
  return `x${Math.floor(index / shape.wordsPerEight)}_${index % shape.wordsPerEight}`;
}

function typeName(name: string): string {
  return `${name[0].toUpperCase()}${name.slice(1)}`;
}
