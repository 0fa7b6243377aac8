/** Made-up windows and jobs on which the codec's kernels are compared with the CPU. */

import { codeBits, PaperLayout, type PaperLayoutOptions } from "../../src/codec/paper/layout.ts";
import { KEY, VALUE } from "../../src/codec/record.ts";
import { type PackJob, packJobWords } from "../../src/codec/scratch.ts";
import { rawTileWords } from "../../src/codec/record.ts";
import type { RepackRule } from "../../src/codec/repack.ts";
import { WINDOW_TILE_COUNT } from "../../src/core/shapes.ts";
import {
  kvQuantisePaperReference,
  type QuantiseScratch,
} from "../../src/reference/kv_quantise/paper.ts";
import { kvRepackGreedyReference } from "../../src/reference/kv_repack/greedy.ts";
import { kvRepackMedianReference } from "../../src/reference/kv_repack/median.ts";
import { everyWidthBlock, SAMPLE_KINDS, sampleTile } from "../support/codec_samples.ts";

/** Shape and steps of a case. */
export interface KernelCase extends Omit<PaperLayoutOptions, "keyBits" | "valueBits"> {
  keyRel: number;
  valueRel: number;
  why: string;
}

/** Each varies what the kernels depend on: heads, head size, pack size, code bits. */
export const KERNEL_CASES: readonly KernelCase[] = [
  { kvHeadCount: 3, headSize: 64, packSize: 16, keyRel: 0.1, valueRel: 0.2, why: "default" },
  { kvHeadCount: 1, headSize: 32, packSize: 8, keyRel: 0.5, valueRel: 1 / 254, why: "smallest" },
  { kvHeadCount: 2, headSize: 96, packSize: 32, keyRel: 0.05, valueRel: 0.1, why: "odd words" },
  { kvHeadCount: 4, headSize: 128, packSize: 16, keyRel: 1 / 3, valueRel: 0.01, why: "4 heads" },
  { kvHeadCount: 1, headSize: 256, packSize: 8, keyRel: 1 / 254, valueRel: 0.2, why: "widest" },
  { kvHeadCount: 2, headSize: 64, packSize: 4, keyRel: 0.02, valueRel: 0.2, why: "packs of 4" },
];

/** Tokens present in each job. */
const TOKEN_COUNTS = [64, 63, 1, 64, 17, 40, 64, 64];
const SLOT_COUNT = 3;
export const STORE_COUNT = 2;

/** Parameters of a case as part of a test's name. */
export function caseName({ why, ...numbers }: KernelCase): string {
  return `${Object.values(numbers).map((value) => Number(value.toFixed(4))).join(", ")} (${why})`;
}

/** Layout, raw windows of each layer, and one job per kind of sample. */
export function caseInput(kernelCase: KernelCase) {
  const layout = new PaperLayout({
    ...kernelCase,
    keyBits: codeBits(kernelCase.keyRel),
    valueBits: codeBits(kernelCase.valueRel),
  });
  const tileWords = rawTileWords(layout);
  const windows = Array.from(
    { length: STORE_COUNT },
    () => new Uint32Array(SLOT_COUNT * WINDOW_TILE_COUNT * tileWords),
  );
  const jobs = SAMPLE_KINDS.map((kind, index): PackJob => {
    const tile = WINDOW_TILE_COUNT - 1 - Math.floor(index / SLOT_COUNT);
    const job = { slot: index % SLOT_COUNT, tile, tokenCount: TOKEN_COUNTS[index] };
    for (const [layer, window] of windows.entries()) {
      const start = (job.slot * WINDOW_TILE_COUNT + job.tile) * tileWords;
      window.set(sampleTile(kind, layout, 10 * index + layer), start);
    }
    return { ...job, scratchIndex: index };
  });
  return { layout, windows, jobs, jobWords: packJobWords(jobs) };
}

/** Scratch of a case as quantised on the CPU; the last job is replaced by packs of every width. */
export function caseScratch(
  kernelCase: KernelCase,
  input: ReturnType<typeof caseInput>,
  repack: RepackRule,
): QuantiseScratch {
  const { layout, jobs } = input;
  const scratch = kvQuantisePaperReference(layout, input, kernelCase);
  const last = jobs.length - 1;
  for (let layer = 0; layer < STORE_COUNT; layer++) {
    const { sides } = everyWidthBlock(layout, jobs[last].tokenCount, layer + 1);
    for (const side of [KEY, VALUE]) {
      const index = (last * STORE_COUNT + layer) * 2 + side;
      scratch.codes.set(sides[side].codes, index * sides[side].codes.length);
      scratch.params.set(sides[side].params, index * 64);
    }
  }
  if (repack === "none") return scratch;
  const reference = repack === "median" ? kvRepackMedianReference : kvRepackGreedyReference;
  return { ...scratch, order: reference(layout, scratch, { jobs, storeCount: STORE_COUNT }) };
}
