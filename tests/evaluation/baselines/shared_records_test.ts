import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { createCodec } from "../../../src/codec/profile.ts";
import { rawTileFrom, rawTileValues } from "../../../src/codec/raw_tile.ts";
import { KEY, VALUE } from "../../../src/codec/record.ts";
import { baselineRewriter } from "../../../src/evaluation/baselines/baseline.ts";
import { findBaseline } from "../../../src/evaluation/baselines/table.ts";
import { seededTables } from "../../support/banded_samples.ts";
import { seededNormals } from "../../support/numeric.ts";

const SHAPE = { kvHeadCount: 1, headSize: 32 };
const WIDTH = 32;

Deno.test("balanced-xquant reads even layers as balanced does, and odd ones by lines of what these read", () => {
  const tables = [0, 1, 2].map((layer) => seededTables(SHAPE, 3 + layer));
  const records = createCodec(SHAPE, { name: "balanced" }, tables);
  const baseline = findBaseline("balanced-xquant", SHAPE)!;
  const ropeOf = () => ({}) as never;
  const rewrite = baselineRewriter(baseline, SHAPE, { ropeOf, records });
  let [bits, valueCount] = [0, 0];
  for (const blockIndex of [0, 1]) {
    const first = blockIndex === 0 ? baseline.sinkTokenCount : 0;
    let before: Float32Array[] = [];
    for (const layer of [0, 1, 2]) {
      const [k, v] = [1, 2].map((side) => seededNormals(64 * WIDTH, 10 * layer + side));
      const tile = rawTileFrom(SHAPE, k, v);
      const exact = [KEY, VALUE].map((side) => rawTileValues(SHAPE, tile, side));
      const place = { layer, blockIndex };
      const record = records.pack(tile, place);
      const { keys, values } = records.unpack(record, place);
      rewrite(tile, place);
      const read = [KEY, VALUE].map((side) => rawTileValues(SHAPE, tile, side));
      valueCount += 2 * (64 - first) * WIDTH;
      bits += layer === 1 ? 2 * WIDTH * 32 : 32 * record.length - 2 * first * WIDTH * 16;
      for (const side of [KEY, VALUE]) {
        const sinks = first * WIDTH;
        assertEquals(read[side].subarray(0, sinks), exact[side].subarray(0, sinks));
        if (layer === 1) {
          checkLines(read[side], { exact: exact[side], before: before[side], first });
        } else {
          const expected = Array.from([keys, values][side]).slice(0, 64 * WIDTH - sinks);
          read[side].subarray(sinks).forEach((value, i) =>
            assertAlmostEquals(value, expected[i], Math.abs(expected[i]) * 1e-3 + 1e-6)
          );
        }
      }
      before = read;
    }
  }
  assertAlmostEquals(baseline.codec.bits.k, bits / valueCount, 1e-9);
  assertEquals(baseline.codec.bits.k, baseline.codec.bits.v);
});

/** Each channel is a line of another layer's, and none nearby is nearer to the values. */
function checkLines(
  read: Float32Array,
  { exact, before, first }: { exact: Float32Array; before: Float32Array; first: number },
): void {
  for (const channel of [0, 13, 31]) {
    const [x, y, line] = [before, exact, read].map((side) =>
      Array.from({ length: 64 - first }, (_, i) => side[(first + i) * WIDTH + channel])
    );
    const error = (of: readonly number[]) =>
      of.reduce((sum, value, i) => sum + (value - y[i]) ** 2, 0);
    for (const [minimum, scale] of [[0.05, 0], [-0.05, 0], [0, 0.05], [0, -0.05]]) {
      assert(error(line.map((value, i) => value + minimum + scale * x[i])) > error(line));
    }
    const far = x.findIndex((value) => Math.abs(value - x[0]) > 0.5);
    const slope = (line[far] - line[0]) / (x[far] - x[0]);
    line.forEach((value, i) => assertAlmostEquals(value, line[0] + slope * (x[i] - x[0]), 1e-2));
  }
}
