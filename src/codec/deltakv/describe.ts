/**
 * Describing tokens of a block by its centres, where that packs smaller. FORMAT.md section 11.2.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { sumOf } from "../../core/sum.ts";
import { measurePaper } from "../paper/pack.ts";
import type { QuantisedBlock, QuantisedSide } from "../quantised.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import { SideCentres } from "./centres.ts";
import { type DeltaKvLayout, HAS_TABLE } from "./layout.ts";

/** A block as it is packed. */
export interface DescribedBlock {
  /** Words of the head, `layout.headWords`. */
  head: Uint32Array;
  /** With differences in the place of codes where they pack smaller. */
  block: QuantisedBlock;
  /** u32 `[64]`: the token at each packed place. */
  order: Uint32Array;
  /** u32 `[2 * kvHeadCount]`: payload words of each section, the first with {@link HAS_TABLE}. */
  sizes: Uint32Array;
}

/**
 * Describes a block, or leaves it as it is if that takes no fewer words.
 *
 * @param block As `quantisePaper` gives it, of 64 tokens.
 * @param turns Of the layer: `turnWords`.
 */
export function describeBlock(
  layout: DeltaKvLayout,
  block: QuantisedBlock,
  turns: Uint32Array,
): DescribedBlock {
  const { paper } = layout;
  const unordered = Uint32Array.from({ length: BLOCK_TOKEN_COUNT }, (_, token) => token);
  const whole = measurePaper(paper, block, unordered);
  const centres = sideCentres(layout, block, turns);
  const nearest = nearestCentres(layout, centres);
  const differences = differencesOf(layout, { block, centres, nearest });
  const plain = measurePaper(paper, block, layout.order);
  const described = measurePaper(paper, differences, layout.order);
  const isDescribed = Array.from(plain, (words, section) => described[section] < words);
  const mixed = plain.map((words, section) => Math.min(words, described[section]));
  const hasTable = isDescribed.includes(true) &&
    sumOf([...mixed]) + layout.tableWords < sumOf([...whole]);
  if (!hasTable) {
    return { head: new Uint32Array(layout.flagWords), block, order: unordered, sizes: whole };
  }
  const head = new Uint32Array(layout.headWords(true));
  isDescribed.forEach((isIt, section) => {
    if (isIt) head[section >> 5] |= 1 << (section & 31);
  });
  nearest.forEach((own, token) => {
    for (const centre of own) head[layout.tableWord(centre) + (token >> 5)] |= 1 << (token & 31);
  });
  const sizes = mixed.slice();
  sizes[0] += HAS_TABLE;
  return { head, block: mixedBlock(layout, { block, differences, isDescribed }), sizes, ...layout };
}

/** Both sides of a block with its centres. */
export function sideCentres(
  layout: DeltaKvLayout,
  { sides }: Pick<QuantisedBlock, "sides">,
  turns: Uint32Array,
): [SideCentres, SideCentres] {
  const [key, value] = [KEY, VALUE].map((side) =>
    new SideCentres(layout, sides[side], { side, turns })
  );
  return [key, value];
}

/** By token: the centres nearest to it over both sides, ascending; none of a centre. */
function nearestCentres(
  layout: DeltaKvLayout,
  centres: readonly SideCentres[],
): number[][] {
  const { centreCount, neighbourCount } = layout;
  return Array.from({ length: BLOCK_TOKEN_COUNT }, (_, token) => {
    if (layout.isCentre(token)) return [];
    const distances = Array.from(
      { length: centreCount },
      (_, centre) => sumOf(centres.map((side) => side.distance(token, centre))),
    );
    return [...distances.keys()].sort((a, b) => distances[a] - distances[b] || a - b)
      .slice(0, neighbourCount).sort((a, b) => a - b);
  });
}

/** What codes differ by from what centres say, modulo how many codes there are. */
function differencesOf(
  layout: DeltaKvLayout,
  { block, centres, nearest }: {
    block: QuantisedBlock;
    centres: readonly SideCentres[];
    nearest: readonly (readonly number[])[];
  },
): QuantisedBlock {
  const differ = (side: Side): QuantisedSide => {
    const { codes, params } = block.sides[side];
    const codeCount = 2 ** layout.paper.bits(side);
    const own = codes.map((code, index) => {
      const token = index % BLOCK_TOKEN_COUNT;
      if (layout.isCentre(token)) return code;
      const channel = Math.floor(index / BLOCK_TOKEN_COUNT);
      const said = centres[side].code(channel, token, nearest[token]);
      return (code - said + codeCount / 2) & (codeCount - 1);
    });
    return { codes: own, params };
  };
  return { tokenCount: block.tokenCount, sides: [differ(KEY), differ(VALUE)] };
}

function mixedBlock(
  { kvHeadCount, headSize }: DeltaKvLayout,
  { block, differences, isDescribed }: {
    block: QuantisedBlock;
    differences: QuantisedBlock;
    isDescribed: readonly boolean[];
  },
): QuantisedBlock {
  const codeCount = headSize * BLOCK_TOKEN_COUNT;
  const mix = (side: Side): QuantisedSide => {
    const { codes, params } = block.sides[side];
    const mixed = codes.slice();
    for (let head = 0; head < kvHeadCount; head++) {
      if (!isDescribed[side * kvHeadCount + head]) continue;
      const own = differences.sides[side].codes;
      mixed.set(own.subarray(head * codeCount, (head + 1) * codeCount), head * codeCount);
    }
    return { codes: mixed, params };
  };
  return { tokenCount: block.tokenCount, sides: [mix(KEY), mix(VALUE)] };
}
