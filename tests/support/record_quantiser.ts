/** Runs of the kernels that quantise raw tiles to whole records, on tiles of every kind. */

import { assertEquals } from "@std/assert";
import type { HeadShape } from "../../src/codec/raw_tile.ts";
import { rawTileWords } from "../../src/codec/record.ts";
import { WINDOW_TILE_COUNT } from "../../src/core/shapes.ts";
import type {
  RecordQuantiserBuffers,
  StoreQuantiser,
} from "../../src/kernels/kv_quantise/store_quantiser.ts";
import { SAMPLE_KINDS, sampleTile } from "./codec_samples.ts";
import { readU32, submitPass, testGpu } from "./gpu.ts";

const SLOT_COUNT = Math.ceil(SAMPLE_KINDS.length / WINDOW_TILE_COUNT);

/** One for each kind of values. */
export const JOBS = SAMPLE_KINDS.map((_, index) => ({
  slot: Math.floor(index / WINDOW_TILE_COUNT),
  tile: index % WINDOW_TILE_COUNT,
}));

/** Windows of two stores in which each tile holds another kind of values. */
export function sampleWindows(shape: HeadShape): Uint32Array[] {
  const tileWords = rawTileWords(shape);
  return [0, 1].map((store) => {
    const window = new Uint32Array(SLOT_COUNT * WINDOW_TILE_COUNT * tileWords);
    SAMPLE_KINDS.forEach((kind, tile) => {
      window.set(sampleTile(kind, shape, 11 + store), tile * tileWords);
    });
    return window;
  });
}

/** Runs {@link JOBS} of all windows; `recordWords`: what a record has room for. Ends the kernel. */
export async function quantiseRecords(
  kernel: StoreQuantiser,
  windows: readonly Uint32Array[],
  { recordWords, bind }: {
    recordWords: number;
    bind: (buffers: RecordQuantiserBuffers, store: number) => GPUBindGroup;
  },
): Promise<{ records: Uint32Array; flags: Uint32Array }> {
  const gpu = await testGpu();
  const wordCount = JOBS.length * windows.length * recordWords;
  const jobs = gpu.createBufferWith(
    "jobs",
    Uint32Array.from(JOBS.flatMap(({ slot, tile }) => [slot, tile, 64, 0])),
  );
  const records = gpu.createBuffer("records", wordCount * 4);
  const flags = gpu.createBuffer("flags", JOBS.length * 4);
  const bounds = windows.map((words, store) =>
    bind({ jobs, window: gpu.createBufferWith("window", words), records, flags }, store)
  );
  submitPass(gpu, (pass) => {
    for (const bound of bounds) kernel.encode(pass, bound, JOBS.length);
  });
  kernel.destroy();
  return {
    records: await readU32(gpu, records, wordCount),
    flags: await readU32(gpu, flags, JOBS.length),
  };
}

/** Fails unless blocks with infinity or NaN in either side are flagged, and no others. */
export async function assertFlagged(
  shape: HeadShape,
  quantise: (windows: readonly Uint32Array[]) => Promise<{ flags: Uint32Array }>,
): Promise<void> {
  const windows = sampleWindows(shape);
  const tileWords = rawTileWords(shape);
  windows[0][2 * tileWords + 5] = 0x7c000000;
  windows[1][5 * tileWords + tileWords - 1] = 0x00007e00;
  const { flags } = await quantise(windows);
  assertEquals(Array.from(flags), [0, 0, 1, 0, 0, 1, 0, 0]);
}
