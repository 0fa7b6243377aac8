import { assert, assertEquals } from "@std/assert";
import { LayerQueryWeights } from "../../src/calibration/query_weights.ts";
import { seededRandom } from "../support/numeric.ts";

const SHAPE = { queryHeadCount: 2, kvHeadCount: 2, headSize: 32 };
const TOKEN_COUNT = 192;
/** Queries use it to look far back, or do nothing with it: keys differ in it. */
const FAR_CHANNEL = 3;
/** Queries of head 1 use it to look at the first token alone. */
const SINK_CHANNEL = 5;
const ROW_SIZE = SHAPE.kvHeadCount * SHAPE.headSize;

/** Head 0: half of the queries look at token 40, half at token 0; head 1: all at token 0. */
function text() {
  const random = seededRandom(5);
  const noise = () => Float32Array.from({ length: TOKEN_COUNT * ROW_SIZE }, () => random() - 0.5);
  const [queries, keys, values] = [noise(), noise(), noise()].map((each) =>
    each.map((value) => value / 10)
  );
  for (const head of [0, 1]) {
    const first = head * SHAPE.headSize;
    keys[40 * ROW_SIZE + first + FAR_CHANNEL] = 20;
    keys[first + SINK_CHANNEL] = 20;
    for (let token = 0; token < TOKEN_COUNT; token++) {
      const isFar = head === 0 && token % 8 === 0;
      queries[token * ROW_SIZE + first + (isFar ? FAR_CHANNEL : SINK_CHANNEL)] = 5;
    }
  }
  return { queries, keys, values };
}

function weigh(sliceCounts: readonly number[]): Float64Array {
  const { queries, keys, values } = text();
  const weights = new LayerQueryWeights(SHAPE);
  let position = 0;
  for (const rowCount of sliceCounts) {
    const rows = (all: Float32Array) =>
      all.subarray(position * ROW_SIZE, (position + rowCount) * ROW_SIZE);
    weights.add({
      position,
      rowCount,
      queries: rows(queries),
      keys: rows(keys),
      values: rows(values),
    });
    position += rowCount;
  }
  return weights.finish(new Float64Array(ROW_SIZE).fill(4), 2 ** -20);
}

Deno.test("LayerQueryWeights counts queries that look far back, and next to none that look at sinks", () => {
  const squares = weigh([TOKEN_COUNT]);
  // As many queries of head 0 have one channel as the other.
  assert(squares[FAR_CHANNEL] > 50 * squares[SINK_CHANNEL], `${squares}`);
});

Deno.test("LayerQueryWeights keeps each head's geometric mean, and is the same however text is sliced", () => {
  const squares = weigh([TOKEN_COUNT]);
  for (const head of [0, 1]) {
    const own = squares.subarray(head * SHAPE.headSize, (head + 1) * SHAPE.headSize);
    const mean = own.reduce((sum, each) => sum + Math.log(each), 0) / own.length;
    assert(Math.abs(mean - Math.log(4)) < 1e-9, `${mean}`);
  }
  assertEquals(weigh([64, 64, 64]), squares);
});

Deno.test("LayerQueryWeights leaves plain squares where no query was weighed", () => {
  const plain = Float64Array.from({ length: ROW_SIZE }, (_, channel) => 1 + channel);
  assertEquals(new LayerQueryWeights(SHAPE).finish(plain, 2 ** -20), plain);
});
