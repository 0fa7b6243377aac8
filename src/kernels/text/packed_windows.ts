/**
 * WGSL text that reads the payload of one pack at a lane's own bit offset: a few neighbouring words,
 * shifted so that each result word begins with a token's bits. No branches, no loops.
 *
 * @module
 */

import { divCeil } from "../../core/shapes.ts";

/** How the packs of one side are read. */
export interface WindowShape {
  /** Tokens read at a time: a pack, or half of one of 32. */
  unitTokens: number;
  /** Tokens in one result word: as many as fit at full width, 8 or 4. */
  wordTokens: number;
  /** Result words of 8 tokens. */
  wordsPerEight: number;
}

/** Sizes for packs of `packSize` tokens of codes of `bits` bits. */
export function windowShape(packSize: number, bits: number): WindowShape {
  const wordTokens = bits <= 4 ? 8 : 4;
  return { unitTokens: Math.min(16, packSize), wordTokens, wordsPerEight: 8 / wordTokens };
}

function windowsType(name: string): string {
  return `${name[0].toUpperCase()}${name.slice(1)}Windows`;
}

/**
 * Text of `struct <Name>Windows` with members `x<n>_<h>`: word `h` of tokens `8n … 8n+7` of a unit,
 * and of `load_<name>_windows(base, offset, width)`, where `offset` counts bits from word `base`.
 * Bits above a word's tokens are anything. Needs `arena` and `funnel`.
 */
export function windowsText(name: string, shape: WindowShape, bits: number): string {
  const { unitTokens, wordTokens, wordsPerEight } = shape;
  const type = windowsType(name);
  const resultCount = unitTokens / wordTokens;
  // Offsets are multiples of unitTokens bits.
  const misalignedMax = 32 - unitTokens;
  const wordCount = divCeil(misalignedMax + unitTokens * bits, 32);
  const word = (index: number) => index < wordCount ? `word${index}` : "0u";
  const lines: string[] = [];
  const results: string[] = [];
  for (let j = 0; j < wordCount; j++) lines.push(`let word${j} = arena[first + ${j}u];`);
  for (let i = 0; i < resultCount; i++) {
    lines.push(`let place${i} = (offset & 31u) + ${i * wordTokens}u * width;`);
    let low = word(0);
    let high = word(1);
    const jMax = Math.floor((misalignedMax + i * wordTokens * bits) / 32);
    for (let j = 1; j <= Math.min(jMax, wordCount - 1); j++) {
      low = `select(${low}, ${word(j)}, place${i} >= ${32 * j}u)`;
      high = `select(${high}, ${word(j + 1)}, place${i} >= ${32 * j}u)`;
    }
    lines.push(`let low${i} = ${low};`, `let high${i} = ${high};`);
    results.push(`funnel(low${i}, high${i}, place${i} & 31u)`);
  }
  const members = results.map((_, i) =>
    `x${Math.floor(i / wordsPerEight)}_${i % wordsPerEight}: u32`
  );
  return `struct ${type} { ${members.join(", ")} }
fn load_${name}_windows(base: u32, offset: u32, width: u32) -> ${type} {
  let first = base + (offset >> 5u);
  ${lines.join("\n  ")}
  return ${type}(${results.join(", ")});
}
`;
}

/**
 * Text of `<name>_code_<n>(windows, source, width, lane8)`: the bits of token `8n + lane8` of the pack
 * that lane `source` has loaded, with other tokens' bits above them.
 */
export function tokenCodeText(name: string, shape: WindowShape): string {
  const { unitTokens, wordTokens, wordsPerEight } = shape;
  let text = "";
  for (let n = 0; n < unitTokens / 8; n++) {
    const words = Array.from(
      { length: wordsPerEight },
      (_, h) => `shuffle_word(windows.x${n}_${h}, source)`,
    );
    const bits = wordsPerEight === 1 ? words[0] : `select(${words.join(", ")}, lane8 >= 4u)`;
    const token = wordsPerEight === 1 ? "lane8" : `(lane8 & ${wordTokens - 1}u)`;
    const inputs = `windows: ${windowsType(name)}, source: u32, width: u32, lane8: u32`;
    text += `fn ${name}_code_${n}(${inputs}) -> u32 {
  return ${bits} >> (${token} * width);
}
`;
  }
  return text;
}
