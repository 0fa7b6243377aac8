import { assertEquals } from "@std/assert";
import type { TensorType } from "../../src/gguf/tensor_types.ts";
import { elementsSizeBytes } from "../../src/gguf/tensor_types.ts";
import { streamWeights } from "../../src/model/stream_weights.ts";
import { packWeights } from "../../src/model/weight_format.ts";
import { readU32, testGpu } from "../support/gpu.ts";
import { randomBlocks } from "../support/random_blocks.ts";

const CASES: {
  types: TensorType[];
  rowCount: number;
  columnCount: number;
  bindingSizeMax?: number;
  why: string;
}[] = [
  { types: ["Q4_K"], rowCount: 150, columnCount: 256, why: "the last group is not full" },
  { types: ["Q3_K"], rowCount: 96, columnCount: 512, why: "rows share vectors" },
  { types: ["F16"], rowCount: 70, columnCount: 64, why: "no side data" },
  { types: ["Q8_0", "Q8_0"], rowCount: 90, columnCount: 96, why: "rows in turn" },
  { types: ["Q4_1", "Q8_0"], rowCount: 48, columnCount: 64, why: "types in turn" },
  {
    types: ["Q6_K"],
    rowCount: 200,
    columnCount: 256,
    bindingSizeMax: 2 * 32 * 128,
    why: "several parts",
  },
];

for (const { types, rowCount, columnCount, bindingSizeMax = 2 ** 27, why } of CASES) {
  const name = `${rowCount} rows of ${types.join(" and ")}`;
  Deno.test(`streamWeights() writes what is packed at once, of ${name} (${why})`, async () => {
    const gpu = await testGpu();
    const sources = types.map((type, index) => {
      return { type, rowCount, bytes: randomBlocks(type, rowCount * columnCount, index) };
    });
    const arrangement = "interleaved";
    const packed = packWeights(sources, { columnCount, arrangement, bindingSizeMax });
    const rowsRead: number[] = [];
    const streamed = streamWeights(gpu, {
      label: "weights",
      columnCount,
      sources: sources.map(({ type, bytes }) => ({
        type,
        rowCount,
        read: (rowStart, count) => {
          rowsRead.push(count);
          const [begin, end] = [rowStart, rowStart + count].map((row) =>
            elementsSizeBytes(type, row * columnCount)
          );
          return bytes.subarray(begin, end);
        },
      })),
      bindingSizeMax,
      chunkSizeBytes: 1,
    });
    assertEquals(Math.max(...rowsRead), 32 / types.length, "a group at a time");
    assertEquals(streamed.parts.length, packed.parts.length);
    for (const [index, { words, scales, ...range }] of packed.parts.entries()) {
      const { words: ownWords, scales: ownScales, ...ownRange } = streamed.parts[index];
      assertEquals(ownRange, range);
      assertEquals(await readU32(gpu, ownWords, words.length), words);
      assertEquals(ownScales === null, scales === null);
      if (scales) assertEquals(await readU32(gpu, ownScales!, scales.length), scales);
    }
  });
}
