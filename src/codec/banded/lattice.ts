/**
 * The lattice that packs of codes stand for. A pack whose codes sum to an odd number is shifted:
 * half a code is added to seven of them and taken from the eighth. Read so, the codes of all packs
 * are the points of E8, the densest lattice in eight dimensions (Conway and Sloane, "Sphere
 * Packings, Lattices and Groups", chapters 4 and 20): as many points as there are plain codes, with
 * 14% less squared error. FORMAT.md sections 7.2 and 7.4.
 *
 * @module
 */

import { UNIT_TOKEN_COUNT } from "./levels.ts";

/** Parts of a code in which values and errors are counted. */
export const CODE_PARTS = 256;
const CODE_PART_BITS = 8;
/** A power of two: this part of an error is given to the channel's next value. */
const ERROR_SHIFT_BITS = 2;

/** Whether a pack is shifted; one with absent places never is. */
export function isShifted(codes: ArrayLike<number>): boolean {
  if (codes.length !== UNIT_TOKEN_COUNT) return false;
  let sum = 0;
  for (let place = 0; place < UNIT_TOKEN_COUNT; place++) sum += codes[place];
  return (sum & 1) === 1;
}

/** What a shifted pack adds to the code of a place, 0 to 7. */
export function placeShift(place: number): number {
  return place === UNIT_TOKEN_COUNT - 1 ? -0.5 : 0.5;
}

/** Codes chosen so far for a pack, of which the sum is even or odd. */
interface Path {
  /** Sum of squared errors, in parts of a code. */
  cost: number;
  /** Of the last value. */
  error: number;
  codes: readonly number[];
}

/** No path has this sum yet. */
const NO_PATH: Path = { cost: 2 ** 30, error: 0, codes: [] };

/** A pack's codes, and the error of its last value in parts of a code. */
export interface NearestPoint {
  codes: readonly number[];
  error: number;
}

/**
 * The lattice point nearest to some values, where the error of each value is given in part to the
 * next one if `carries`: of the two codes next to each value one is taken, so that the sum of the
 * squared errors is least. Integers throughout.
 *
 * @param parts Values in parts of a code, up to eight; fewer are those present of a pack with
 * absent places.
 * @param error Of the value before them.
 */
export function nearestPoint(
  parts: ArrayLike<number>,
  { error, carries }: { error: number; carries: boolean },
): NearestPoint {
  const plain = bestPaths(parts, { error, carries, shift: 0 });
  if (parts.length < UNIT_TOKEN_COUNT) return cheaper(plain.even, plain.odd);
  const shifted = bestPaths(parts, { error, carries, shift: CODE_PARTS });
  return cheaper(plain.even, shifted.odd);
}

function bestPaths(
  parts: ArrayLike<number>,
  from: { error: number; carries: boolean; shift: number },
): { even: Path; odd: Path } {
  let even: Path = { cost: 0, error: from.error, codes: [] };
  let odd = NO_PATH;
  for (let place = 0; place < parts.length; place++) {
    const target = parts[place] - from.shift * placeShift(place);
    const step = (path: Path, parity: number) => {
      const carried = from.carries ? path.error >> ERROR_SHIFT_BITS : 0;
      return extended(path, target + carried, parity);
    };
    [even, odd] = [cheaper(step(even, 0), step(odd, 1)), cheaper(step(even, 1), step(odd, 0))];
  }
  return { even, odd };
}

/** One more code: of the two next to `target` that of this parity. */
function extended({ cost, codes }: Path, target: number, parity: number): Path {
  const below = target >> CODE_PART_BITS;
  const code = below + ((below ^ parity) & 1);
  const error = target - code * CODE_PARTS;
  return { cost: cost + error * error, error, codes: [...codes, code] };
}

function cheaper(first: Path, second: Path): Path {
  return first.cost <= second.cost ? first : second;
}
