import { assert, assertEquals, assertThrows } from "@std/assert";
import { bandsOf, bandTables } from "../../src/calibration/bands.ts";
import { normalBelow } from "../../src/calibration/normal.ts";
import { bandFrom, bandWord, chooseBand, FULL_BAND } from "../../src/codec/banded/band.ts";
import { unitBits } from "../../src/codec/banded/levels.ts";
import { seededRandom } from "../support/numeric.ts";

/** Mean bits of packs drawn from the model, under bands. */
function drawnBits(bands: Uint32Array, at: { mean: number; between: number; within: number }) {
  const random = seededRandom(5);
  const normal = () => {
    return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  };
  let bits = 0;
  const packCount = 4000;
  for (let pack = 0; pack < packCount; pack++) {
    const centre = at.mean + at.between * normal();
    const codes = Array.from({ length: 8 }, () => Math.round(centre + at.within * normal()) + 128);
    const band = chooseBand(bands, Math.min(...codes), Math.max(...codes));
    bits += unitBits(bandFrom(bands[band]).levels);
  }
  return bits / packCount;
}

Deno.test("normalBelow() has the published values to 1e-14", () => {
  // Abramowitz & Stegun, table 26.1, and the tail by its continued fraction.
  const published = [
    [0, 0.5],
    [1, 0.8413447460685429],
    [-2.5, 0.006209665325776132],
    [-6, 9.865876450376946e-10],
  ];
  for (const [x, probability] of published) {
    assert(Math.abs(normalBelow(x) - probability) < 1e-14, `${x}: ${normalBelow(x)}`);
  }
  assertEquals([normalBelow(-9), normalBelow(9)], [0, 1]);
});

/**
 * Made by an independent program with the error function of another library. Means are off the
 * half code, where mirrored bands save the same and rounding noise alone chooses between them.
 */
const GOLDEN: readonly {
  mean: number;
  /** Eighths of an octave. */
  between: number;
  within: number;
  bands: readonly [least: number, levels: number][];
}[] = [
  {
    mean: 0,
    between: -8,
    within: -8,
    bands: [[0, 1], [-1, 2], [0, 2], [-2, 3], [-1, 3], [0, 3], [-2, 5]],
  },
  {
    mean: 0.375,
    between: 0,
    within: -4,
    bands: [[-2, 3], [-1, 3], [0, 3], [-1, 4], [1, 4], [-2, 6], [-4, 10]],
  },
  {
    mean: -2.25,
    between: 4,
    within: 4,
    bands: [[-4, 4], [-6, 5], [-3, 5], [-5, 6], [-8, 8], [-3, 8], [-7, 11]],
  },
  {
    mean: 5.125,
    between: -16,
    within: 0,
    bands: [[4, 3], [5, 3], [3, 4], [4, 4], [3, 5], [3, 6], [2, 8]],
  },
  {
    mean: -0.375,
    between: 12,
    within: 8,
    bands: [[-7, 8], [-4, 8], [-1, 8], [-5, 10], [0, 11], [-8, 16], [-13, 32]],
  },
  {
    mean: 0.625,
    between: 8,
    within: -12,
    bands: [[-4, 2], [-2, 2], [0, 2], [2, 2], [4, 2], [-2, 6], [-4, 11]],
  },
];

for (const { mean, between, within, bands } of GOLDEN) {
  Deno.test(`bandsOf() gives the golden bands at ${mean}, 2^(${between}/8), 2^(${within}/8)`, () => {
    const channel = { mean, between: 2 ** (between / 8), within: 2 ** (within / 8) };
    const found = [...bandsOf(channel, 1)].slice(0, 7).map(bandFrom);
    assertEquals(found, bands.map(([least, levels]) => ({ least: least + 128, levels })));
  });
}

Deno.test("bandsOf() gives well-formed bands, cheapest first, for any channel", () => {
  const random = seededRandom(7);
  for (let index = 0; index < 300; index++) {
    const [between, within] = [2 ** (random() * 14 - 8), 2 ** (random() * 12 - 7)];
    const bands = bandsOf({ mean: (random() - 0.5) * 300, between, within }, 1);
    const read = [...bands].map(bandFrom);
    assertEquals(bands[7], bandWord(FULL_BAND));
    for (let band = 1; band < 7; band++) {
      const order = unitBits(read[band].levels) - unitBits(read[band - 1].levels);
      assert(order > 0 || (order === 0 && read[band].least >= read[band - 1].least), `${index}`);
    }
  }
});

Deno.test("bandsOf() scales: spread and step together change nothing", () => {
  const bands = bandsOf({ mean: 1.3, between: 0.9, within: 0.7 }, 1);
  assertEquals(bandsOf({ mean: 5.2, between: 3.6, within: 2.8 }, 4), bands);
});

Deno.test("bandsOf() spends fewer bits on its own channel than on one elsewhere or of other spread", () => {
  for (const within of [0.2, 0.5, 1, 2]) {
    const channel = { mean: -2.3, between: 0.6, within };
    const bits = drawnBits(bandsOf(channel, 1), channel);
    const elsewhere = drawnBits(bandsOf({ ...channel, mean: 2.3 }, 1), channel);
    const other = drawnBits(bandsOf({ ...channel, within: within * 3 }, 1), channel);
    assert(bits < elsewhere && bits < other, `${within}: ${bits}, ${elsewhere}, ${other}`);
  }
});

Deno.test("bandsOf() keeps bands of far means inside the codes", () => {
  const bands = bandsOf({ mean: 1e6, between: 1, within: 1 }, 1);
  assert([...bands].map(bandFrom).every(({ least, levels }) => least + levels <= 256));
});

Deno.test("bandsOf() refuses a step or a statistic that is not a number", () => {
  const channel = { mean: 0, between: 1, within: 1 };
  assertThrows(() => bandsOf(channel, 0), RangeError, "step 0");
  assertThrows(() => bandsOf({ ...channel, within: NaN }, 1), RangeError, "NaN");
});

Deno.test("bandTables() has K's channels first, each with its own step", () => {
  const side = (mean: number) => ({
    mean: Float32Array.of(mean, -mean),
    between: Float32Array.of(0.5, 1),
    within: Float32Array.of(1, 0.25),
  });
  const steps = { key: [4, 2], value: [0.5, 1] };
  const tables = bandTables({ key: side(3), value: side(1) }, steps);
  assertEquals(tables.length, 2 * 2 * 8);
  assertEquals(tables.subarray(8, 16), bandsOf({ mean: -3, between: 1, within: 0.25 }, 2));
  assertEquals(tables.subarray(16, 24), bandsOf({ mean: 1, between: 0.5, within: 1 }, 0.5));
});
