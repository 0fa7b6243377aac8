/** The workload of the benches of banded records: one block of the default model, seeded. */

import { pointWords } from "../../src/codec/banded/points.ts";
import { BandedLayout } from "../../src/codec/banded/layout.ts";
import {
  type BandedTables,
  layerTableWords,
  quantiserWords,
  readerWords,
} from "../../src/codec/banded/tables.ts";
import { rawTileWords } from "../../src/codec/record.ts";
import { WINDOW_TILE_COUNT } from "../../src/core/shapes.ts";
import type { Gpu } from "../../src/gpu/gpu.ts";
import { packBandedJobWords } from "../../src/kernels/kv_pack/banded.ts";
import { kvMeasureBandedReference } from "../../src/reference/kv_measure/banded.ts";
import { kvPackBandedReference } from "../../src/reference/kv_pack/banded.ts";
import { kvQuantiseBandedReference } from "../../src/reference/kv_quantise/banded.ts";
import { bandedJobWords, packedCounts } from "../../tests/support/banded_case.ts";
import { seededTables } from "../../tests/support/banded_samples.ts";
import { sampleTile } from "../../tests/support/codec_samples.ts";
import { SHAPE, STORE_COUNT } from "./workload.ts";

/** Layout with the usual sinks, though the block of the workload is not a first one. */
export const LAYOUT: BandedLayout = new BandedLayout({ ...SHAPE, sinkCount: 4 });

/** Levels of bands: packs take about 2.5 bits per code. */
const LEVELS = [2, 3, 4, 6, 8, 11, 16];
const JOBS = [{ slot: 0, tile: 0, firstToken: 0 }];

/** Tables of all layers. */
export function workloadTables(): BandedTables[] {
  return Array.from({ length: STORE_COUNT }, (_, layer) => {
    return seededTables(SHAPE, layer, { step: 0.7, levels: LEVELS });
  });
}

/** Buffers of one job of all layers, filled by the CPU, and a window per layer. */
export function openBandedWorkload(gpu: Gpu) {
  const tables = workloadTables();
  const windows = tables.map((_, layer) => {
    const window = new Uint32Array(WINDOW_TILE_COUNT * rawTileWords(SHAPE));
    window.set(sampleTile("gaussian", SHAPE, layer));
    return window;
  });
  const input = { jobs: JOBS, windows, tables };
  const scratch = kvQuantiseBandedReference(LAYOUT, input);
  const sizes = kvMeasureBandedReference(LAYOUT, scratch, input);
  let end = 0;
  const targets = tables.map((_, layer) => {
    const start = layer * LAYOUT.sectionCount;
    const own = sizes.subarray(start, start + LAYOUT.sectionCount);
    const target = end;
    end += LAYOUT.recordWords(own.reduce((sum, words) => sum + words, 0), false);
    return target;
  });
  const packJobs = [{ scratchIndex: 0, firstToken: 0, targets }];
  const arena = new Uint32Array(end);
  kvPackBandedReference(LAYOUT, scratch, { jobs: packJobs, tables }, arena);
  const scratchBuffers = {
    codes: gpu.createBufferWith("codes", scratch.codes),
    params: gpu.createBufferWith("params", scratch.params),
    sinks: gpu.createBufferWith("sinks", scratch.sinks),
    flags: gpu.createBufferWith("flags", scratch.flags),
    sizes: gpu.createBufferWith("sizes", sizes),
    bands: gpu.createBufferWith("bands", layerTableWords(tables)),
    points: gpu.createBufferWith("points", pointWords()),
  };
  return {
    targets,
    scratchBuffers,
    jobs: gpu.createBufferWith("jobs", bandedJobWords(JOBS)),
    packedCounts: gpu.createBufferWith("packed counts", packedCounts(JOBS, STORE_COUNT)),
    packJobs: gpu.createBufferWith("pack jobs", packBandedJobWords(packJobs)),
    arena: gpu.createBufferWith("arena", arena),
    packedBytes: arena.byteLength,
    layers: windows.map((window, layer) => ({
      window: gpu.createBufferWith("window", window),
      quantiser: gpu.createBufferWith("quantiser tables", quantiserWords(tables[layer])),
      reader: gpu.createBufferWith("reader tables", readerWords(tables[layer])),
    })),
  };
}
