import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { LayerRecall } from "../../src/calibration/recall.ts";
import { seededRandom } from "../support/numeric.ts";

const SHAPE = { queryHeadCount: 4, kvHeadCount: 2, headSize: 64 };
const PERIOD = 40;
const SHARPNESS = 400;

/** A vector of its own for each token. */
function tokenVectors(count: number): Float32Array[] {
  const random = seededRandom(11);
  return Array.from({ length: count }, () => {
    const vector = Float32Array.from({ length: SHAPE.headSize }, () => random() - 0.5);
    const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    return vector.map((value) => value / norm);
  });
}

/** Rows in which head `looking` asks for the token after the one a period ago; others for none. */
function sample(looking: number, position: number, rowCount: number) {
  const { queryHeadCount, kvHeadCount, headSize } = SHAPE;
  const vectors = tokenVectors(2 * PERIOD);
  const queries = new Float32Array(rowCount * queryHeadCount * headSize);
  const keys = new Float32Array(rowCount * kvHeadCount * headSize);
  for (let row = 0; row < rowCount; row++) {
    const own = position + row;
    for (let head = 0; head < kvHeadCount; head++) {
      keys.set(vectors[own], (row * kvHeadCount + head) * headSize);
    }
    if (own < PERIOD) continue;
    const wanted = vectors[own - PERIOD + 1].map((value) => SHARPNESS * value);
    queries.set(wanted, (row * queryHeadCount + looking) * headSize);
  }
  return { position, rowCount, queries, keys, values: keys };
}

Deno.test("LayerRecall scores a head that looks up what followed with 1, others with their share", () => {
  for (const looking of [0, 3]) {
    const recall = new LayerRecall(SHAPE, PERIOD);
    for (let position = 0; position < 2 * PERIOD; position += 16) {
      recall.add(sample(looking, position, 16));
    }
    const scores = recall.finish();
    const group = Math.floor(looking / 2);
    assertAlmostEquals(scores[group], 1, 1e-3);
    // Queries of 0 attend to all tokens alike: 1 over 57 to 80 of them.
    assert(scores[1 - group] > 1 / 80 && scores[1 - group] < 1 / 57, `${scores}`);
  }
});

Deno.test("LayerRecall gives the same scores however the text is sliced, and 0 for no queries", () => {
  const whole = new LayerRecall(SHAPE, PERIOD);
  whole.add(sample(1, 0, 2 * PERIOD));
  const sliced = new LayerRecall(SHAPE, PERIOD);
  for (const [position, count] of [[0, 50], [50, 7], [57, 23]]) {
    sliced.add(sample(1, position, count));
  }
  assertEquals(sliced.finish(), whole.finish());
  assertEquals(new LayerRecall(SHAPE, PERIOD).finish(), new Float32Array(2));
});
