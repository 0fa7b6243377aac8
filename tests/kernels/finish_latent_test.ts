import { assertEquals } from "@std/assert";
import { rowWords } from "../../src/core/row.ts";
import { WINDOW_TILE_COUNT } from "../../src/core/shapes.ts";
import {
  FinishLatentKernel,
  type FinishLatentOptions,
} from "../../src/kernels/finish_latent/row.ts";
import { finishLatentReference } from "../../src/reference/finish_latent.ts";
import { rowOf } from "../support/attention_case.ts";
import { readF32, readU32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";
import { halvesOf, placeHead, type WindowRow } from "../support/raw_window.ts";

/** f32 sums of up to 512 squares, and f32 sines of the table. */
const QUERY_NMSE_MAX = 1e-12;

/** Latents are rounded to f16, 2^-12 of each value at most. */
const WINDOW_NMSE_MAX = 2 ** -24;

const SLOT_COUNT = 3;

const CASES: (FinishLatentOptions & { rows: WindowRow[]; why: string })[] = [
  {
    queryHeadCount: 3,
    headSize: 64,
    rank: 96,
    turnedSize: 32,
    scale: 0.5,
    epsilon: 1e-5,
    makesLatent: true,
    rows: [{ slot: 2, position: 63 }, { slot: 0, position: 64 }, { slot: 1, position: 319 }],
    why: "ends of tiles, the ring wraps",
  },
  {
    queryHeadCount: 2,
    headSize: 64,
    rank: 64,
    turnedSize: 32,
    scale: 1,
    epsilon: 0.1,
    makesLatent: true,
    tileCount: 10,
    rows: [{ slot: 2, position: 9 * 64 + 5 }, { slot: 1, position: 23 * 64 }],
    why: "zeros behind the latent, a ring of 10 tiles",
  },
  {
    queryHeadCount: 5,
    headSize: 288,
    rank: 512,
    turnedSize: 64,
    scale: 2,
    epsilon: 1e-6,
    makesLatent: true,
    rows: [{ slot: 1, position: 131071 }],
    why: "DeepSeek's sizes, more quads than threads, a far position",
  },
  {
    queryHeadCount: 3,
    headSize: 64,
    rank: 96,
    turnedSize: 32,
    scale: 1,
    epsilon: 1e-5,
    makesLatent: false,
    rows: [{ slot: 1, position: 70 }],
    why: "a layer that reads the latents of another",
  },
];

for (const { rows, why, ...options } of CASES) {
  const { tileCount = WINDOW_TILE_COUNT, makesLatent, ...shape } = options;
  const { queryHeadCount, headSize, rank, turnedSize } = shape;
  const name = `${JSON.stringify(options)} x ${rows.length}`;
  Deno.test(`FinishLatentKernel matches its reference at ${name} (${why})`, async () => {
    const gpu = await testGpu();
    const absorbed = seededNormals(rows.length * queryHeadCount * rank, 1);
    const turned = seededNormals(rows.length * queryHeadCount * turnedSize, 2);
    const latents = seededNormals(rows.length * (rank + turnedSize), 3);
    const gains = seededNormals(rank, 4);
    const turns = rows.map(({ position }) => turnsOf(position, headSize));
    const windowWords = SLOT_COUNT * tileCount * headSize * 64;
    const queryCount = rows.length * queryHeadCount * 2 * headSize;
    const y = gpu.createBuffer("q", queryCount * 4);
    const window = gpu.createBuffer("window", windowWords * 4);
    const kernel = await FinishLatentKernel.create(gpu, options);
    const rowsOfStep = rows.map((row) => rowOf({ ...row, blockCount: 0 }, 0));
    const bound = kernel.bind({
      absorbed: gpu.createBufferWith("absorbed", absorbed),
      turnedParts: gpu.createBufferWith("turned", turned),
      latents: gpu.createBufferWith("latents", latents),
      gains: gpu.createBufferWith("gains", gains),
      y,
      rope: gpu.createBufferWith("rope", Float32Array.from(turns.flat())),
      rows: gpu.createBufferWith("rows", rowWords(rowsOfStep)),
      window,
    });
    submitPass(gpu, (pass) => kernel.encode(pass, bound, rows.length));
    const queries: number[] = [];
    const expectedWindow = new Float64Array(windowWords * 2);
    const part = (values: Float32Array, index: number) => {
      const size = values.length / rows.length;
      return values.subarray(index * size, (index + 1) * size);
    };
    for (const [index, row] of rows.entries()) {
      const finished = finishLatentReference({
        absorbed: part(absorbed, index),
        turned: part(turned, index),
        latent: part(latents, index),
      }, { ...shape, gains, turns: turns[index] });
      queries.push(...finished.queries);
      for (const side of makesLatent ? [0, 1] : []) {
        const half = finished.latent.subarray(side * headSize, (side + 1) * headSize);
        const place = { ...shape, kvHeadCount: 1, ...row, tileCount, side, head: 0 };
        placeHead(expectedWindow, half, place);
      }
    }
    const stored = halvesOf(await readU32(gpu, window, windowWords));
    assertNear(await readF32(gpu, y, queryCount), queries, QUERY_NMSE_MAX, "q");
    assertNear(stored, expectedWindow, WINDOW_NMSE_MAX, "window");
    expectedWindow.forEach((value, i) => value === 0 && assertEquals(stored[i], 0));
  });
}

function turnsOf(position: number, headSize: number): number[] {
  return Array.from({ length: headSize / 2 }, (_, pair) => {
    const angle = position * 10_000 ** (-2 * pair / headSize);
    return [Math.cos(angle), Math.sin(angle)];
  }).flat();
}
