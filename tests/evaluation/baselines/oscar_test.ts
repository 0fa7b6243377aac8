import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import type { SliceSample } from "../../../src/calibration/samples.ts";
import { eigenvectors } from "../../../src/evaluation/baselines/eigen.ts";
import { roundF16 } from "../../../src/evaluation/baselines/groups.ts";
import { oscar } from "../../../src/evaluation/baselines/oscar.ts";
import { OscarRotations } from "../../../src/evaluation/baselines/oscar_rotations.ts";
import { seededNormals } from "../../support/numeric.ts";

const SHAPE = { kvHeadCount: 2, headSize: 32 };
const [HEADS, SIZE] = [2, 32];
/** Query heads of a KV head. */
const GROUP = 3;
const ORIGIN = { layer: 5, tile: new Uint32Array() };

/** Rows whose channels have a mean and spreads of their own. */
function sample(position: number, rowCount = 64): SliceSample {
  const rows = (heads: number, seed: number) =>
    seededNormals(rowCount * heads * SIZE, seed + position)
      .map((x, i) => x * (1 + i % SIZE % 7) + (i % 5 === 0 ? 2 : 0));
  const [queries, keys, values] = [rows(HEADS * GROUP, 1), rows(HEADS, 2), rows(HEADS, 3)];
  return { position, rowCount, queries, keys, values };
}

const SLICES = [sample(0), sample(64, 40)];

function learned() {
  const codec = oscar(SHAPE);
  const { learning } = codec;
  assert(learning !== undefined);
  for (let pass = 0; pass < learning.passCount; pass++) {
    for (const slice of SLICES) learning.add(ORIGIN.layer, slice);
    learning.endPass();
  }
  return codec;
}

/** Row `at` of heads of the slices, in order. */
function headRows(
  of: (slice: SliceSample) => Float32Array,
  heads: number,
  head: number,
): number[][] {
  return SLICES.flatMap((slice) =>
    Array.from({ length: slice.rowCount }, (_, row) => {
      const from = (row * heads + head) * SIZE;
      return [...of(slice).subarray(from, from + SIZE)];
    })
  );
}

function covariance(rows: readonly number[][], weights: readonly number[]): Float64Array {
  const sum = new Float64Array(SIZE * SIZE);
  for (const [at, row] of rows.entries()) {
    for (let i = 0; i < SIZE; i++) {
      for (let j = 0; j < SIZE; j++) sum[i * SIZE + j] += weights[at] * row[i] * row[j];
    }
  }
  return sum;
}

/** Both covariances of a head, as `compute_qqt` and `compute_sst` of the original define them. */
function covariances(head: number): { keys: Float64Array; values: Float64Array } {
  const queries = Array.from(
    { length: GROUP },
    (_, own) => headRows((slice) => slice.queries, HEADS * GROUP, head * GROUP + own),
  ).flat();
  const keys = covariance(queries, queries.map(() => 1));
  const weights = headRows((slice) => slice.keys, HEADS, head).map((key) => {
    let sum = 0;
    for (let i = 0; i < SIZE; i++) {
      for (let j = 0; j < SIZE; j++) sum += key[i] * keys[i * SIZE + j] * key[j];
    }
    return sum;
  });
  return { keys, values: covariance(headRows((slice) => slice.values, HEADS, head), weights) };
}

/** `x U H` of a head's row, by the matrices. */
function turned(x: readonly number[], columns: Float64Array): number[] {
  const sign = (i: number, j: number) =>
    (i & j).toString(2).replaceAll("0", "").length % 2 ? -1 : 1;
  const y = Array.from(
    { length: SIZE },
    (_, j) => x.reduce((sum, each, i) => sum + each * columns[i * SIZE + j], 0),
  );
  return y.map((_, j) => y.reduce((sum, each, i) => sum + each * sign(i, j), 0) / Math.sqrt(SIZE));
}

/** What the original reads back of a turned row: clipped, then four values from end to end. */
function coded(y: readonly number[], clip: number): number[] {
  const bound = y.map(Math.abs).sort((a, b) => a - b)[Math.floor(clip * SIZE)];
  const clipped = y.map((each) => Math.max(-bound, Math.min(bound, each)));
  const low = roundF16(Math.min(...clipped));
  const scale = roundF16((Math.max(...clipped) - Math.min(...clipped)) / 3);
  return clipped.map((each) =>
    Math.max(0, Math.min(3, Math.round((each - low) / scale))) * scale + low
  );
}

Deno.test("oscar() turns by the eigenvectors of both covariances, clips, and has four levels a head", () => {
  const codec = learned();
  for (const [side, clip] of [["keys", 0.96], ["values", 0.92]] as const) {
    const own = covariances(1);
    const { columns } = eigenvectors(own[side], SIZE);
    const values = seededNormals(64 * HEADS * SIZE, 9).map((x, i) => x * (1 + i % 11));
    const before = values.slice();
    const block = { shape: SHAPE, values, firstToken: 0 };
    if (side === "keys") codec.readBackKeys(block, ORIGIN);
    else codec.readBackValues(block, ORIGIN);
    for (const token of [0, 17, 63]) {
      const from = (token * HEADS + 1) * SIZE;
      const expected = coded(turned([...before.subarray(from, from + SIZE)], columns), clip);
      // What is read back is turned back, so it is turned once more to see its levels.
      const actual = turned([...values.subarray(from, from + SIZE)], columns);
      const spread = Math.max(...expected) - Math.min(...expected);
      for (let i = 0; i < SIZE; i++) assertAlmostEquals(actual[i], expected[i], 1e-4 * spread);
      assert(new Set(expected).size <= 4);
    }
  }
});

Deno.test("oscar() leaves raw tokens as they are, and counts codes, scales and rotations", () => {
  const codec = learned();
  const values = new Float32Array(64 * HEADS * SIZE).fill(0.3, 0, 2 * HEADS * SIZE);
  codec.readBackValues({ shape: SHAPE, values, firstToken: 2 }, ORIGIN);
  assert(values.subarray(0, 2 * HEADS * SIZE).every((value) => value === Math.fround(0.3)));
  assert(values.subarray(2 * HEADS * SIZE).every((value) => value === 0));
  assertEquals([codec.bits, codec.codeBits], [{ k: 3, v: 3 }, { k: 2, v: 2 }]);
  assertEquals(codec.tableBytes, 2 * HEADS * SIZE * SIZE * 2);
  const bitsOf = (headSize: number) => oscar({ kvHeadCount: 1, headSize }).bits.k;
  assertEquals([64, 128, 256, 320].map(bitsOf), [2.5, 2.25, 2.25, 2 + 32 / 80]);
});

Deno.test("oscar() deals the turned channels of a large head out to its groups in turn", () => {
  const shape = { kvHeadCount: 1, headSize: 64 };
  const [dealt, whole] = [16, 64].map((groupSize) => {
    const rotations = new OscarRotations(shape, groupSize);
    const rows = () => seededNormals(64 * 64, 4);
    const slice = { position: 0, rowCount: 64, queries: rows(), keys: rows(), values: rows() };
    for (let pass = 0; pass < rotations.passCount; pass++) {
      rotations.add(0, slice);
      rotations.endPass();
    }
    return rotations.of(0).keys[0];
  });
  // Of four groups the second has ranks 1, 5, 9 and so on.
  for (const [column, rank] of [[0, 0], [1, 4], [15, 60], [16, 1], [17, 5], [63, 63]]) {
    for (const row of [0, 1, 63]) assertEquals(dealt[row * 64 + column], whole[row * 64 + rank]);
  }
});

Deno.test("oscar() refuses a block of a layer of which it has learned nothing", () => {
  const side = () => ({ shape: SHAPE, values: new Float32Array(64 * 64), firstToken: 0 });
  const codec = learned();
  assertThrows(() => oscar(SHAPE).readBackKeys(side(), ORIGIN), TypeError, "layer 5");
  assertThrows(() => codec.readBackKeys(side(), { ...ORIGIN, layer: 6 }), TypeError, "layer 6");
});
