import { assert, assertEquals, assertThrows } from "@std/assert";
import { bandsOf, bandTables } from "../../src/calibration/bands.ts";
import { normalBelow } from "../../src/calibration/normal.ts";
import {
  bandBits,
  bandFrom,
  bandLeast,
  bandLevels,
  bandWord,
  chooseBand,
  FULL_BAND,
  isBall,
} from "../../src/codec/banded/band.ts";
import { CODE_PARTS, nearestPoint } from "../../src/codec/banded/lattice.ts";
import { LEVELS } from "../../src/codec/banded/levels.ts";
import { seededRandom } from "../support/numeric.ts";

/** Packs drawn from the model, as points of the lattice. */
function drawnPacks(at: { mean: number; between: number; within: number }): number[][] {
  const random = seededRandom(5);
  const normal = () => {
    return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  };
  return Array.from({ length: 4000 }, () => {
    const centre = at.mean + at.between * normal();
    const parts = Array.from({ length: 8 }, () => CODE_PARTS * (centre + at.within * normal()));
    const { codes } = nearestPoint(parts.map(Math.round), { error: 0, carries: false });
    return codes.map((code) => code + 128);
  });
}

/** Mean bits of packs under bands. */
function meanBits(bands: Uint32Array, packs: readonly (readonly number[])[]): number {
  const bits = packs.map((codes) => bandBits(bands[chooseBand(bands, codes)]));
  return bits.reduce((sum, each) => sum + each) / packs.length;
}

function drawnBits(bands: Uint32Array, at: { mean: number; between: number; within: number }) {
  return meanBits(bands, drawnPacks(at));
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
 * Kept of this program: they must be the same on every machine. Means are off the half code, where
 * mirrored bands save the same and rounding noise alone chooses between them.
 */
const ball = (middle: number, ballBits: number) => ({ middle: middle + 128, ballBits });

const GOLDEN: readonly {
  mean: number;
  /** Eighths of an octave. */
  between: number;
  within: number;
  bands: readonly (readonly [least: number, levels: number] | ReturnType<typeof ball>)[];
}[] = [
  {
    mean: 0,
    between: -8,
    within: -8,
    bands: [ball(0, 8), [-1, 2], [0, 2], ball(0, 12), [0, 3], [-3, 4], [-2, 5]],
  },
  {
    mean: 0.375,
    between: 0,
    within: -4,
    bands: [ball(0, 12), [0, 3], [-2, 4], [-1, 4], [0, 4], [-4, 5], [-3, 9]],
  },
  {
    mean: -2.25,
    between: 4,
    within: 4,
    bands: [[-4, 4], [-6, 5], [-5, 6], [-3, 6], [-8, 8], [-6, 8], [-10, 16]],
  },
  {
    mean: 5.125,
    between: -16,
    within: 0,
    bands: [ball(5, 12), [4, 3], [3, 4], [4, 4], [3, 5], [2, 7], [1, 9]],
  },
  {
    mean: -0.375,
    between: 12,
    within: 8,
    bands: [[-7, 8], [-4, 8], [-1, 8], [-10, 11], [-6, 11], [-7, 16], [-13, 32]],
  },
  {
    mean: 0.625,
    between: 8,
    within: -12,
    bands: [[-2, 2], [0, 2], [2, 2], ball(1, 12), [-4, 5], [1, 5], [-7, 16]],
  },
];

for (const { mean, between, within, bands } of GOLDEN) {
  Deno.test(`bandsOf() gives the golden bands at ${mean}, 2^(${between}/8), 2^(${within}/8)`, () => {
    const channel = { mean, between: 2 ** (between / 8), within: 2 ** (within / 8) };
    const found = [...bandsOf(channel, 1)].slice(0, 7).map(bandFrom);
    assertEquals(
      found,
      bands.map((band) => "ballBits" in band ? band : { least: band[0] + 128, levels: band[1] }),
    );
  });
}

Deno.test("bandsOf() gives well-formed bands, cheapest first, for any channel", () => {
  const random = seededRandom(7);
  for (let index = 0; index < 300; index++) {
    const [between, within] = [2 ** (random() * 14 - 8), 2 ** (random() * 12 - 7)];
    const bands = bandsOf({ mean: (random() - 0.5) * 300, between, within }, 1);
    bands.forEach(bandFrom);
    assertEquals(bands[7], bandWord(FULL_BAND));
    for (let band = 1; band < 7; band++) {
      const order = bandBits(bands[band]) - bandBits(bands[band - 1]);
      const isLater = bandLeast(bands[band]) >= bandLeast(bands[band - 1]);
      assert(order > 0 || (order === 0 && isLater), `${index}`);
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
  assert([...bands].every((band) => bandLeast(band) + bandLevels(band) <= 256));
  bands.forEach(bandFrom);
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

Deno.test("bandsOf() gives a channel of small spread balls that take a tenth off its bits", () => {
  const channel = { mean: 0.2, between: 0.1, within: 0.65 };
  const bands = bandsOf(channel, 1);
  assert(bands.some(isBall));
  const packs = drawnPacks(channel);
  const least = [1, 2, 3, 4, 5].flatMap((levels) =>
    [-2, -1, 0, 1].map((first) => bandWord({ least: 128 + first, levels }))
  );
  // As many ranges as there are bands, those that take fewest bits one by one.
  const best = bands.slice().fill(bands[7]);
  for (let index = 0; index < 7; index++) {
    const bitsWith = least.map((band) => {
      best[index] = band;
      return meanBits(best.slice().sort((a, b) => bandBits(a) - bandBits(b)), packs);
    });
    best[index] = least[bitsWith.indexOf(Math.min(...bitsWith))];
  }
  best.sort((a, b) => bandBits(a) - bandBits(b));
  const [withBalls, without] = [meanBits(bands, packs), meanBits(best, packs)];
  assert(withBalls < 0.93 * without, `${withBalls} and ${without}`);
});

Deno.test("no band of bandsOf() could be another that takes half a percent off the bits", () => {
  for (
    const channel of [
      { mean: 0.3, between: 1, within: 1 },
      { mean: 0.1, between: 0.6, within: 0.5 },
      { mean: 2.1, between: 0.3, within: 0.9 },
    ]
  ) {
    const bands = bandsOf(channel, 1);
    const packs = drawnPacks(channel);
    const bits = meanBits(bands, packs);
    const spans = packs.map((codes) => [Math.min(...codes), Math.max(...codes)]);
    for (let place = 0; place < 7; place++) {
      const others = bands.with(place, bands[7]).sort((a, b) => bandBits(a) - bandBits(b));
      const bitsOfOthers = packs.map((codes) => bandBits(others[chooseBand(others, codes)]));
      for (const levels of LEVELS.filter((levels) => levels <= 32)) {
        for (let least = 116; least < 140; least++) {
          const own = bandBits(bandWord({ least, levels }));
          const changed = spans.reduce((sum, [low, high], pack) => {
            const isHeld = least <= low && high < least + levels;
            return sum + (isHeld ? Math.min(own, bitsOfOthers[pack]) : bitsOfOthers[pack]);
          }, 0) / packs.length;
          assert(changed > 0.995 * bits, `${place}, ${least}, ${levels}: ${bits}, ${changed}`);
        }
      }
    }
  }
});
