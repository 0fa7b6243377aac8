/** The workload of the codec's benches: one block of the default model, seeded. */

import { PaperLayout } from "../../src/codec/paper/layout.ts";
import { rawTileWords } from "../../src/codec/record.ts";
import { type PackJob, packJobWords } from "../../src/codec/scratch.ts";
import { PAPER_PROFILE } from "../../src/codec/paper/settings.ts";
import { WINDOW_TILE_COUNT } from "../../src/core/shapes.ts";
import type { Gpu } from "../../src/gpu/gpu.ts";
import { KvQuantisePaperKernel } from "../../src/kernels/kv_quantise/paper.ts";
import { kvMeasurePaperReference } from "../../src/reference/kv_measure/paper.ts";
import { kvQuantisePaperReference } from "../../src/reference/kv_quantise/paper.ts";
import { sampleTile } from "../../tests/support/codec_samples.ts";

/** Heads of the default model. */
export const SHAPE = { kvHeadCount: 3, headSize: 64 };
/** Layers of the default model. */
export const STORE_COUNT = 30;
/** Bytes of the raw block of one layer: what a kernel that reads it must move at least. */
export const RAW_BYTES = rawTileWords(SHAPE) * 4;
/** Bytes of the codes of one layer. */
export const CODE_BYTES = RAW_BYTES / 2;
/** Layout of the published profile. */
export const LAYOUT: PaperLayout = PaperLayout.forProfile(SHAPE, PAPER_PROFILE);

/** One full block of one sequence. */
export const JOBS: readonly PackJob[] = [{ slot: 0, tile: 0, tokenCount: 64, scratchIndex: 0 }];

/** Buffers of one job of all layers, filled by the CPU, and a window per layer. */
export function openWorkload(gpu: Gpu) {
  const windows = Array.from({ length: STORE_COUNT }, (_, layer) => {
    const window = new Uint32Array(WINDOW_TILE_COUNT * rawTileWords(SHAPE));
    window.set(sampleTile("gaussian", SHAPE, layer));
    return window;
  });
  const scratch = kvQuantisePaperReference(LAYOUT, { jobs: JOBS, windows }, PAPER_PROFILE);
  const input = { jobs: JOBS, storeCount: STORE_COUNT };
  const sizes = kvMeasurePaperReference(LAYOUT, scratch, input);
  const targets = new Uint32Array(STORE_COUNT);
  let end = 0;
  for (let layer = 0; layer < STORE_COUNT; layer++) {
    targets[layer] = end;
    const start = layer * LAYOUT.sectionCount;
    const own = sizes.subarray(start, start + LAYOUT.sectionCount);
    end += LAYOUT.recordWords(own.reduce((sum, words) => sum + words, 0));
  }
  const buffers = {
    jobs: gpu.createBufferWith("jobs", packJobWords(JOBS)),
    codes: gpu.createBufferWith("codes", scratch.codes),
    params: gpu.createBufferWith("params", scratch.params),
    order: gpu.createBufferWith("order", scratch.order),
    flags: gpu.createBufferWith("flags", scratch.flags),
    sizes: gpu.createBufferWith("sizes", sizes),
    targets: gpu.createBufferWith("targets", targets),
    arena: gpu.createBuffer("arena", end * 4),
  };
  return { windows, buffers, packedBytes: end * 4 };
}

/** The quantiser bound to all layers. */
export async function openQuantiser(gpu: Gpu, workload: ReturnType<typeof openWorkload>) {
  const options = { ...PAPER_PROFILE, layout: LAYOUT, storeCount: STORE_COUNT };
  const kernel = await KvQuantisePaperKernel.create(gpu, options);
  const bounds = workload.windows.map((window, layer) =>
    kernel.bind({ ...workload.buffers, window: gpu.createBufferWith("window", window) }, layer)
  );
  return { kernel, bounds };
}
