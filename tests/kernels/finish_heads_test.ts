import { rowWords } from "../../src/core/row.ts";
import { rowOf } from "../support/attention_case.ts";
import { assertEquals } from "@std/assert";
import { WINDOW_TILE_COUNT } from "../../src/core/shapes.ts";
import { FinishHeadsKernel, type FinishHeadsOptions } from "../../src/kernels/finish_heads/head.ts";
import { finishHeadsReference } from "../../src/reference/finish_heads.ts";
import { readF32, readU32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";
import { halvesOf, placeHead, type WindowRow } from "../support/raw_window.ts";

/** Queries: f32 sums of up to 8 * 256 squares, and f32 sines of the table. */
const QUERY_NMSE_MAX = 1e-12;

/** Keys and values: rounded to f16, 2^-12 of each value at most. */
const WINDOW_NMSE_MAX = 2 ** -24;

const SLOT_COUNT = 3;
const HEAD = { over: "head", epsilon: 1e-6 } as const;
const ROW = { over: "row", epsilon: 0.1 } as const;

const CASES: (FinishHeadsOptions & { rows: WindowRow[]; why: string })[] = [
  {
    queryHeadCount: 3,
    kvHeadCount: 1,
    headSize: 64,
    norm: null,
    rows: [{ slot: 0, position: 0 }],
    why: "biases only",
  },
  {
    queryHeadCount: 2,
    kvHeadCount: 2,
    headSize: 32,
    norm: HEAD,
    rows: [{ slot: 2, position: 63 }, { slot: 0, position: 64 }, { slot: 1, position: 319 }],
    why: "ends of tiles, the ring wraps",
  },
  {
    queryHeadCount: 4,
    kvHeadCount: 1,
    headSize: 96,
    norm: ROW,
    rows: Array.from({ length: 7 }, (_, i) => ({ slot: 1, position: 60 + i })),
    why: "a slice that fills one tile and begins another, one norm of all heads",
  },
  {
    queryHeadCount: 8,
    kvHeadCount: 2,
    headSize: 256,
    norm: HEAD,
    rows: [{ slot: 1, position: 131071 }, { slot: 0, position: 7 }],
    why: "a far position, the largest head",
  },
  {
    queryHeadCount: 3,
    kvHeadCount: 0,
    headSize: 64,
    norm: HEAD,
    rows: [{ slot: 1, position: 70 }, { slot: 2, position: 3 }],
    why: "queries only",
  },
  {
    queryHeadCount: 3,
    kvHeadCount: 1,
    headSize: 512,
    norm: HEAD,
    valueEpsilon: 0.1,
    rows: [{ slot: 1, position: 70 }, { slot: 2, position: 3 }],
    why: "values normed, heads of 512",
  },
  {
    queryHeadCount: 2,
    kvHeadCount: 1,
    headSize: 64,
    norm: null,
    temperature: { factor: 0.1, length: 64 },
    rows: [0, 63, 64, 6400].map((position, slot) => ({ slot: slot % 3, position })),
    why: "queries grow with their position, keys do not",
  },
  {
    queryHeadCount: 2,
    kvHeadCount: 1,
    headSize: 32,
    norm: null,
    tileCount: 10,
    rows: [{ slot: 2, position: 9 * 64 + 5 }, { slot: 1, position: 23 * 64 }],
    why: "a ring of 10 tiles",
  },
];

for (const { rows, why, ...options } of CASES) {
  const { norm, valueEpsilon = null, temperature = null, ...rest } = options;
  const { tileCount = WINDOW_TILE_COUNT, ...shape } = rest;
  const name = `${JSON.stringify(options)} x ${rows.length}`;
  Deno.test(`FinishHeadsKernel matches its reference at ${name} (${why})`, async () => {
    const gpu = await testGpu();
    const { queryHeadCount, kvHeadCount, headSize } = shape;
    const headCount = queryHeadCount + 2 * kvHeadCount;
    const heads = seededNormals(rows.length * headCount * headSize, 1);
    const shifts = seededNormals(headCount * headSize, 2);
    const gains = seededNormals((queryHeadCount + kvHeadCount) * headSize, 3);
    const turns = rows.map(({ position }) => turnsOf(position, headSize));
    const windowHeadCount = Math.max(1, kvHeadCount);
    const windowWords = SLOT_COUNT * tileCount * windowHeadCount * headSize * 64;
    const y = gpu.createBuffer("q", rows.length * queryHeadCount * headSize * 4);
    const window = gpu.createBuffer("window", windowWords * 4);
    const kernel = await FinishHeadsKernel.create(gpu, options);
    const bound = kernel.bind({
      heads: gpu.createBufferWith("heads", heads),
      shifts: gpu.createBufferWith("shifts", shifts),
      gains: gpu.createBufferWith("gains", gains),
      y,
      rope: gpu.createBufferWith("rope", Float32Array.from(turns.flat())),
      rows: gpu.createBufferWith(
        "rows",
        rowWords(rows.map((row) => rowOf({ ...row, blockCount: 0 }, 0))),
      ),
      window,
    });
    submitPass(gpu, (pass) => kernel.encode(pass, bound, rows.length));
    const queries: number[] = [];
    const expectedWindow = new Float64Array(windowWords * 2);
    for (const [index, row] of rows.entries()) {
      const start = index * headCount * headSize;
      const finished = finishHeadsReference(heads.subarray(start, start + headCount * headSize), {
        ...shape,
        shifts,
        gains,
        norm,
        valueEpsilon,
        temperature,
        position: row.position,
        turns: turns[index],
      });
      queries.push(...finished.subarray(0, queryHeadCount * headSize));
      for (let kvHead = 0; kvHead < 2 * kvHeadCount; kvHead++) {
        const at = (queryHeadCount + kvHead) * headSize;
        const side = kvHead < kvHeadCount ? 0 : 1;
        const place = { ...shape, ...row, tileCount, side, head: kvHead % kvHeadCount };
        placeHead(expectedWindow, finished.subarray(at, at + headSize), place);
      }
    }
    const stored = halvesOf(await readU32(gpu, window, windowWords));
    assertNear(await readF32(gpu, y, queries.length), queries, QUERY_NMSE_MAX, "q");
    assertNear(stored, expectedWindow, WINDOW_NMSE_MAX, "window");
    // A misplaced value could hide in the norm: what no row wrote is exactly zero.
    expectedWindow.forEach((value, i) => value === 0 && assertEquals(stored[i], 0));
  });
}

function turnsOf(position: number, headSize: number): number[] {
  return Array.from({ length: headSize / 2 }, (_, pair) => {
    const angle = position * 10_000 ** (-2 * pair / headSize);
    return [Math.cos(angle), Math.sin(angle)];
  }).flat();
}
