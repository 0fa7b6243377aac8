import { assert, assertEquals } from "@std/assert";
import {
  CODE_PARTS,
  isShifted,
  nearestPoint,
  placeShift,
} from "../../../src/codec/banded/lattice.ts";
import { seededRandom } from "../../support/numeric.ts";

/** What codes of a whole pack stand for. */
function pointOf(codes: readonly number[]): number[] {
  const isOff = isShifted(codes);
  return codes.map((code, place) => code + (isOff ? placeShift(place) : 0) + 0);
}

/** Values from -3 to 3 codes, in parts. */
function randomParts(random: () => number): number[] {
  return Array.from({ length: 8 }, () => Math.floor((random() - 0.5) * 6 * CODE_PARTS));
}

Deno.test("codes of packs stand for the points of E8: all whole or all halves, sums even", () => {
  const random = seededRandom(1);
  const seen = new Set<string>();
  for (let round = 0; round < 200; round++) {
    const codes = Array.from({ length: 8 }, () => Math.floor(random() * 4) - 2);
    const point = pointOf(codes);
    const fraction = Math.abs(point[0] % 1);
    assert(point.every((each) => Math.abs(each % 1) === fraction), `${codes}`);
    assert(point.reduce((a, b) => a + b) % 2 === 0, `${codes}`);
    seen.add(point.join());
  }
  assert(seen.size > 190, "different codes are different points");
});

Deno.test("nearestPoint() is no farther than any point of E8 around", () => {
  const random = seededRandom(2);
  for (let round = 0; round < 20; round++) {
    const parts = randomParts(random);
    const distance = (point: readonly number[]) =>
      point.reduce((sum, each, place) => sum + (each * CODE_PARTS - parts[place]) ** 2, 0);
    const own = distance(pointOf(nearestPoint(parts, { error: 0, carries: false }).codes));
    for (let choice = 0; choice < 512; choice++) {
      const half = choice >> 8 ? 0.5 : 0;
      const point = parts.map((each, place) =>
        Math.floor(each / CODE_PARTS - half) + ((choice >> place) & 1) + half
      );
      if (point.reduce((a, b) => a + b) % 2 !== 0) continue;
      assert(own <= distance(point), `${parts}: ${own}`);
    }
  }
});

Deno.test("nearestPoint() carries a quarter of an error on, from the value before the pack too", () => {
  const parts = new Array(8).fill(0);
  const { codes } = nearestPoint([...parts], { error: 0, carries: true });
  assertEquals(codes.map(Math.abs), parts);
  // 480 / 4 = 120 parts are added to the first value, 30 of what is left to the second, 7, 1.
  const carried = nearestPoint([...parts], { error: 480, carries: true });
  assertEquals(pointOf(carried.codes), parts);
  assertEquals(carried.error, 0);
  const odd = nearestPoint(parts.slice(0, 3).map(() => 100), { error: 480, carries: true });
  // 100 + 120 is nearest to 1, with an error of -36, of which -9 goes on.
  assertEquals(odd.codes[0], 1);
});

Deno.test("a pack with absent places takes the nearest codes and is not shifted", () => {
  const { codes } = nearestPoint([130, -100, 380], { error: 0, carries: false });
  assertEquals(codes, [1, 0, 1]);
  assertEquals(isShifted(codes), false);
  assertEquals(isShifted([1, 0, 0, 0, 0, 0, 0, 0]), true);
});

Deno.test("nearestPoint() gives the codes of FORMAT.md's worked example", () => {
  const { codes } = nearestPoint(new Array(8).fill(102), { error: 0, carries: false });
  assertEquals(codes, [0, 0, 0, 0, 0, 0, 0, 1]);
  assertEquals(pointOf(codes), new Array(8).fill(0.5));
});
