/**
 * How likely packs are to be points of a ball, by what its codes span: what decides, beside ranges
 * of codes, which bands a channel has. FORMAT.md section 7.8.
 *
 * @module
 */

import { isShifted } from "../codec/banded/lattice.ts";
import { UNIT_TOKEN_COUNT } from "../codec/banded/levels.ts";
import { POINT_COUNT, POINT_MIDDLE, POINT_REACH, pointDigits } from "../codec/banded/points.ts";

/** How many codes the points of a ball have, from the least about the middle on. */
export const BALL_CODE_COUNT: number = 2 * POINT_REACH + 1;

/** Codes about the middle of which {@link ballOdds} wants probabilities. */
export const BALL_CODES: readonly number[] = Array.from({ length: BALL_CODE_COUNT }, (_, index) => {
  return index - POINT_REACH;
});

/** A code comes up to eight times. */
const POWER_COUNT = UNIT_TOKEN_COUNT + 1;

/** Packs with one least and one greatest code, of one smallest ball. */
export interface BallCell {
  /** From the middle. */
  low: number;
  high: number;
  ballBits: number;
}

/** Points that are alike: as many of each code, shifted or not, in the same cell. */
interface PointKind {
  /** How often each of {@link BALL_CODES} comes among the first seven, or eight if not shifted. */
  counts: readonly number[];
  /** The eighth of shifted ones, its index in {@link BALL_CODES}. */
  last: number;
  isShifted: boolean;
  /** Index of their cell. */
  cell: number;
  /** How many there are. */
  pointCount: number;
}

/** Probabilities of {@link BALL_CODES} about the middle, by what they stand for. */
export interface CodeNode {
  weight: number;
  /** Of packs that are not shifted. */
  whole: readonly number[];
  /** Of the first seven codes of shifted packs, and of the eighth. */
  early: readonly number[];
  late: readonly number[];
}

let points: { cells: readonly BallCell[]; kinds: readonly PointKind[] } | null = null;

/** The cells of all balls about a middle, the same each time. */
export function ballCells(): readonly BallCell[] {
  return (points ??= sortPoints()).cells;
}

/** Probability of each of {@link ballCells}, added up over nodes: f64 `[cells]`. */
export function ballOdds(nodes: readonly CodeNode[]): Float64Array {
  const { cells, kinds } = points ??= sortPoints();
  const odds = new Float64Array(cells.length);
  // [code][count]: the probability of a code to the power of how often it comes.
  const wholes = new Float64Array(BALL_CODE_COUNT * POWER_COUNT);
  const earlies = new Float64Array(BALL_CODE_COUNT * POWER_COUNT);
  for (const { weight, whole, early, late } of nodes) {
    fillPowers(wholes, whole);
    fillPowers(earlies, early);
    for (let index = 0; index < kinds.length; index++) {
      const { counts, last, isShifted, cell, pointCount } = kinds[index];
      const powers = isShifted ? earlies : wholes;
      let product = weight * pointCount * (isShifted ? late[last] : 1);
      for (let code = 0; code < BALL_CODE_COUNT; code++) {
        product *= powers[code * POWER_COUNT + counts[code]];
      }
      odds[cell] += product;
    }
  }
  return odds;
}

function fillPowers(powers: Float64Array, probabilities: readonly number[]) {
  for (let code = 0; code < BALL_CODE_COUNT; code++) {
    let power = 1;
    for (let count = 0; count < POWER_COUNT; count++) {
      powers[code * POWER_COUNT + count] = power;
      power *= probabilities[code];
    }
  }
}

function sortPoints() {
  const cells = new Map<string, { index: number; cell: BallCell }>();
  const kinds = new Map<string, PointKind>();
  for (let place = 0; place < POINT_COUNT; place++) {
    const isOdd = isShifted(pointDigits(place));
    const codes = pointDigits(place).map((digit) => digit - POINT_MIDDLE + POINT_REACH);
    const low = Math.min(...codes) - POINT_REACH;
    const high = Math.max(...codes) - POINT_REACH;
    const ballBits = place === 0 ? 0 : 32 - Math.clz32(place);
    const last = isOdd ? codes.pop()! : 0;
    const counts = new Array<number>(BALL_CODE_COUNT).fill(0);
    for (const code of codes) counts[code]++;

    const name = `${low} ${high} ${ballBits}`;
    const found = cells.get(name) ?? { index: cells.size, cell: { low, high, ballBits } };
    cells.set(name, found);
    const text = `${isOdd} ${counts} ${last} ${found.index}`;
    const kind = kinds.get(text) ??
      { counts, last, isShifted: isOdd, cell: found.index, pointCount: 0 };
    kind.pointCount++;
    kinds.set(text, kind);
  }
  return { cells: [...cells.values()].map(({ cell }) => cell), kinds: [...kinds.values()] };
}
