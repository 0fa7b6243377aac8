import { assert, assertEquals } from "@std/assert";
import { seededRandom } from "../../../src/core/seeded_random.ts";
import { isShifted, placeShift } from "../../../src/codec/banded/lattice.ts";
import {
  POINT_COUNT,
  POINT_MIDDLE,
  pointDigits,
  pointPlace,
  pointWords,
} from "../../../src/codec/banded/points.ts";

function distanceOf(digits: readonly number[]): number {
  const shift = (token: number) => isShifted(digits) ? placeShift(token) : 0;
  return digits.reduce((sum, digit, token) => sum + (digit - POINT_MIDDLE + shift(token)) ** 2, 0);
}

Deno.test("points are those of E8 nearest to the mean: 1, 240, 2,160 and the first of 6,720", () => {
  const counts = new Map<number, number>();
  for (let place = 0; place < POINT_COUNT; place++) {
    const distance = distanceOf(pointDigits(place));
    counts.set(distance, (counts.get(distance) ?? 0) + 1);
  }
  assertEquals([...counts], [[0, 1], [2, 240], [4, 2160], [6, POINT_COUNT - 2401]]);
  assertEquals(new Set(pointWords()).size, POINT_COUNT);
});

Deno.test("pointPlace() undoes pointDigits(), and gives no place to what is farther away", () => {
  for (let place = 0; place < POINT_COUNT; place++) {
    assertEquals(pointPlace(pointDigits(place)), place);
  }
  const random = seededRandom(1);
  let farCount = 0;
  for (let run = 0; run < 2000; run++) {
    const digits = Array.from({ length: 8 }, () => 1 + Math.floor(7 * random()));
    const place = pointPlace(digits);
    if (place < POINT_COUNT) assertEquals(pointDigits(place), digits);
    else farCount += Number(distanceOf(digits) > 6);
  }
  assert(farCount > 1000);
});
