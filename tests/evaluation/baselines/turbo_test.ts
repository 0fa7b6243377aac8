import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { lloydMax, turbo } from "../../../src/evaluation/baselines/turbo.ts";
import { seededNormals } from "../../support/numeric.ts";

const SHAPE = { kvHeadCount: 2, headSize: 64 };

Deno.test("lloydMax() gives the centroids of Max's tables (1960)", () => {
  const tables: [number, number[]][] = [
    [2, [0.798]],
    [4, [0.4528, 1.51]],
    [8, [0.2451, 0.756, 1.344, 2.152]],
  ];
  for (const [count, upper] of tables) {
    const found = lloydMax(count);
    for (const [i, expected] of upper.entries()) {
      assertAlmostEquals(found[count / 2 + i], expected, 3e-3);
      assertAlmostEquals(found[count / 2 - 1 - i], -expected, 3e-3);
    }
  }
});

Deno.test("turbo() has the squared error of Max's tables on any vector, large channels too", () => {
  for (const [bits, distortion] of [[3, 0.03454], [4, 0.009497]]) {
    const original = seededNormals(64 * 128, bits).map((x, i) => x * (i % 64 === 5 ? 8 : 1));
    const values = original.slice();
    turbo(bits, SHAPE).readBackKeys({ shape: SHAPE, values, firstToken: 0 });
    let [error, power] = [0, 0];
    for (let i = 0; i < values.length; i++) {
      error += (values[i] - original[i]) ** 2;
      power += original[i] ** 2;
    }
    assertAlmostEquals(error / power, distortion, 0.15 * distortion);
  }
});

Deno.test("turbo() leaves raw first tokens and zeros as they are, and counts its norms", () => {
  const values = new Float32Array(64 * 128).fill(0.3, 0, 256);
  turbo(4, SHAPE).readBackValues({ shape: SHAPE, values, firstToken: 2 });
  assert(values.subarray(0, 256).every((value) => value === Math.fround(0.3)));
  assert(values.subarray(256).every((value) => value === 0));
  assertEquals(turbo(4, SHAPE).bits, { k: 4.25, v: 4.25 });
});
