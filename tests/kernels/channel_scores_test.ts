import { assertEquals } from "@std/assert";
import { rowWords } from "../../src/core/row.ts";
import { observedWords } from "../../src/kernels/attention_scores/raw.ts";
import { ChannelScoresKernel } from "../../src/kernels/channel_scores/raw.ts";
import { channelScoresReference } from "../../src/reference/channel_scores.ts";
import { caseShape, makeAttentionCase, rowOf } from "../support/attention_case.ts";
import { readU32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";

/** f32 sums of some hundred squares. */
const NMSE_MAX = 1e-12;
/** 300 tokens: two sealed blocks, and a window whose last tile is not full. */
const LENGTH = 300;
const SLOT_COUNT = 2;

for (
  const heads of [
    { kvHeadCount: 2, groupSize: 3, headSize: 64 },
    { kvHeadCount: 1, groupSize: 4, headSize: 96 },
  ]
) {
  Deno.test(`ChannelScoresKernel sums squares of keys and of a prompt's last queries, in one slice or two, in heads of ${heads.headSize}`, async () => {
    const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: 8 });
    const attention = makeAttentionCase(shape, [80, LENGTH], "raw", { scale: 3 });
    const rowsFrom = (first: number, end: number) =>
      rowWords(
        Array.from({ length: end - first }, (_, row) =>
          rowOf({ slot: 1, position: first + row, blockCount: 2 }, attention.blockCountMax)),
      );
    const width = shape.queryHeadCount * shape.headSize;
    const q = seededNormals(64 * width, 4);
    const expected = channelScoresReference(shape, {
      ...attention,
      q: q.subarray(10 * width),
      rows: rowsFrom(266, LENGTH),
      firstRow: 6,
      sinkCount: 0,
    });
    const gpu = await testGpu();
    const channelCount = shape.kvHeadCount * shape.headSize;
    const run = async (slices: readonly [first: number, end: number, firstRow: number][]) => {
      // What an earlier prompt left there must not be counted.
      const channels = gpu.createBufferWith(
        "channels",
        new Float32Array((SLOT_COUNT + 1) * channelCount).fill(7),
      );
      for (const [index, [first, end, firstRow]] of slices.entries()) {
        const rowCount = end - first;
        const observed = gpu.createBuffer("observed", 16, {
          usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
        });
        const words = { firstRow, rowCount, isFirst: index === 0, lastStart: 0 };
        gpu.write(observed, 0, observedWords(words));
        const common = {
          q: gpu.createBufferWith("q", q.slice((first - 256) * width)),
          rows: gpu.createBufferWith("rows", rowsFrom(first, end)),
          observed,
          channels,
        };
        for (const source of ["arena", "window"] as const) {
          const options = { shape, splits: shape, source, slotCount: SLOT_COUNT };
          const kernel = await ChannelScoresKernel.create(gpu, options);
          const tiles = gpu.createBufferWith("tiles", attention[source]);
          const directory = source === "arena"
            ? { directory: gpu.createBufferWith("directory", attention.directory) }
            : {};
          const bound = kernel.bind({ ...common, tiles, ...directory });
          submitPass(gpu, (pass) => kernel.encode(pass, bound));
        }
      }
      const words = await readU32(gpu, channels, channels.size / 4);
      const values = new Float32Array(words.buffer, words.byteOffset, words.length);
      return [0, 1, 2].map((row) => values.slice(row * channelCount, (row + 1) * channelCount));
    };
    const [other, queries, keys] = await run([[266, LENGTH, 6]]);
    assertNear(queries, expected.queries, NMSE_MAX, "queries");
    assertNear(keys, expected.keys, NMSE_MAX, "keys");
    assertEquals(new Set(other), new Set([7]));
    const twice = await run([[266, 280, 6], [280, LENGTH, 0]]);
    assertNear(twice[1], expected.queries, NMSE_MAX, "queries of two slices");
    assertEquals(twice[2], keys);
  });
}
