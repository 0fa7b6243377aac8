import { PADDING_SLOT, ROW_WORDS } from "../../src/core/row.ts";
import { ROW_TILE } from "../../src/kernels/matmul/row_counts.ts";
import { MatmulKernel } from "../../src/kernels/matmul/rows.ts";
import { MatmulTileKernel } from "../../src/kernels/matmul/tile.ts";
import { uploadWeights } from "../../src/kernels/weight_layout.ts";
import { alignUp, WINDOW_TILE_COUNT } from "../../src/core/shapes.ts";
import { dequantise } from "../../src/gguf/dequantise.ts";
import { quantise } from "../support/quantise.ts";
import { packWeights } from "../../src/model/weight_format.ts";
import { matmulReference, ropeReference } from "../../src/reference/matmul.ts";
import { readF32, readU32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";
import { halvesOf, type HeadShape, placeHead, type WindowRow } from "../support/raw_window.ts";
import { assertEquals, assertThrows } from "@std/assert";
import type { Gpu } from "../../src/gpu/gpu.ts";

/** Queries: f32 sums, and f32 sines of the table. */
const QUERY_NMSE_MAX = 1e-12;

/** Keys and values: rounded to f16, 2^-12 of each value at most. */
const WINDOW_NMSE_MAX = 2 ** -24;

const COLUMN_COUNT = 64;
const SLOT_COUNT = 3;
const ROPE_BASE = 10000;

const CASES: (HeadShape & { rows: WindowRow[]; why: string })[] = [
  {
    queryHeadCount: 3,
    kvHeadCount: 1,
    headSize: 64,
    rows: [{ slot: 0, position: 0 }],
    why: "the first token: nothing turns",
  },
  {
    queryHeadCount: 2,
    kvHeadCount: 2,
    headSize: 32,
    rows: [{ slot: 2, position: 63 }, { slot: 0, position: 64 }, { slot: 1, position: 319 }],
    why: "ends of tiles, the ring wraps, one padding row",
  },
  {
    queryHeadCount: 4,
    kvHeadCount: 1,
    headSize: 96,
    rows: Array.from({ length: 7 }, (_, i) => ({ slot: 1, position: 60 + i })),
    why: "a slice that fills one tile and begins another",
  },
  {
    queryHeadCount: 1,
    kvHeadCount: 1,
    headSize: 256,
    rows: [{ slot: 1, position: 131071 }, { slot: 0, position: 7 }],
    why: "a far position, the largest head",
  },
];

const KERNELS = { MatmulKernel, MatmulTileKernel };

for (const [kernel, { rows, why, ...shape }] of CASES.flatMap(both)) {
  const name = `${JSON.stringify(shape)} x ${rows.length}`;
  Deno.test(`${kernel} turns heads and fills the window at ${name} (${why})`, async () => {
    const gpu = await testGpu();
    const { queryHeadCount, kvHeadCount, headSize } = shape;
    const { q, window, outputs } = await run(gpu, shape, { rows, kernel: KERNELS[kernel] });
    const outputCount = (queryHeadCount + 2 * kvHeadCount) * headSize;
    const queries: number[] = [];
    const expectedWindow = new Float64Array(window.length);
    for (const [index, { slot, position }] of rows.entries()) {
      for (let head = 0; head < queryHeadCount + 2 * kvHeadCount; head++) {
        const start = index * outputCount + head * headSize;
        const values = outputs.subarray(start, start + headSize);
        const turned = ropeReference(values, position, { base: ROPE_BASE });
        if (head < queryHeadCount) {
          queries.push(...turned);
        } else if (head < queryHeadCount + kvHeadCount) {
          const at = { slot, position, side: 0, head: head - queryHeadCount };
          placeHead(expectedWindow, turned, { ...shape, ...at });
        } else {
          const at = { slot, position, side: 1, head: head - queryHeadCount - kvHeadCount };
          placeHead(expectedWindow, values, { ...shape, ...at });
        }
      }
    }
    assertNear(q.subarray(0, queries.length), queries, QUERY_NMSE_MAX, "q");
    assertNear(window, expectedWindow, WINDOW_NMSE_MAX, "window");
    // A misplaced value could hide in the norm: what no row wrote is exactly zero.
    expectedWindow.forEach((value, i) => value === 0 && assertEquals(window[i], 0));
  });
}

Deno.test("MatmulKernel.create() throws if the heads do not make up the outputs", async () => {
  const gpu = await testGpu();
  const weights = { rowCount: 96, columnCount: 32, parts: [] };
  const output = { kind: "heads", queryHeadCount: 2, kvHeadCount: 1, headSize: 32 } as const;
  const failed = await MatmulKernel.create(gpu, { weights, output })
    .then(() => null, (error: unknown) => error);
  assertThrows(
    () => {
      throw failed;
    },
    RangeError,
    "Cannot split 96 outputs",
  );
});

function both(each: typeof CASES[number]): [keyof typeof KERNELS, typeof each][] {
  return [["MatmulKernel", each], ["MatmulTileKernel", each]];
}

async function run(
  gpu: Gpu,
  shape: HeadShape,
  { rows, kernel: { create } }: { rows: WindowRow[]; kernel: typeof KERNELS[keyof typeof KERNELS] },
): Promise<{ q: Float32Array; window: Float32Array; outputs: Float64Array }> {
  const { queryHeadCount, kvHeadCount, headSize } = shape;
  const outputCount = (queryHeadCount + 2 * kvHeadCount) * headSize;
  const bytes = quantise("Q4_1", seededNormals(outputCount * COLUMN_COUNT, 1));
  const source = { type: "Q4_1", bytes, rowCount: outputCount } as const;
  const options = { columnCount: COLUMN_COUNT, bindingSizeMax: 2 ** 27 };
  const weights = uploadWeights(gpu, "weights", packWeights([source], options));
  const kernel = await create(gpu, { weights, output: { kind: "heads", ...shape } });
  const paddedCount = alignUp(rows.length, ROW_TILE);
  const x = seededNormals(paddedCount * COLUMN_COUNT, 2);
  const descriptors = new Uint32Array(paddedCount * ROW_WORDS).fill(PADDING_SLOT);
  const rope = new Float32Array(paddedCount * headSize);
  for (const [index, { slot, position }] of rows.entries()) {
    descriptors.set([slot, position], index * ROW_WORDS);
    for (let c = 0; c < headSize; c += 2) {
      const angle = position * ROPE_BASE ** (-c / headSize);
      rope.set([Math.cos(angle), Math.sin(angle)], index * headSize + c);
    }
  }
  const windowWords = SLOT_COUNT * WINDOW_TILE_COUNT * kvHeadCount * headSize * 64;
  const y = gpu.createBuffer("q", paddedCount * queryHeadCount * headSize * 4);
  const window = gpu.createBuffer("window", windowWords * 4);
  const bound = kernel.bind({
    weights,
    x: gpu.createBufferWith("x", x),
    y,
    rope: gpu.createBufferWith("rope", rope),
    rows: gpu.createBufferWith("rows", descriptors),
    window,
  });
  submitPass(gpu, (pass) => kernel.encode(pass, bound, rows.length));
  const weight = dequantise("Q4_1", bytes, outputCount * COLUMN_COUNT);
  const used = x.subarray(0, rows.length * COLUMN_COUNT);
  return {
    q: await readF32(gpu, y, rows.length * queryHeadCount * headSize),
    window: halvesOf(await readU32(gpu, window, windowWords)),
    outputs: matmulReference(weight, used, { columnCount: COLUMN_COUNT }),
  };
}
