/**
 * Decoding behind a long prompt by each system around PackKV, in turn in one run: what else the
 * machine does falls on all. Prints a line of JSON for each, by the clock and by processor time of
 * the process, with the ratio to `balanced` that keeps and reads everything.
 *
 *     deno run -A bench/serving/systems_bench.ts [TOKENS [ROUNDS]]
 *
 * KVComp is not among them, for blocks that are read are packed as ever, nor is CLLA, of which no
 * model of this shape is trained.
 *
 * @module
 */

import process from "node:process";
import type { LoadedModel } from "../../src/runtime/load_model.ts";
import { readMethod } from "../../src/runtime/read_method.ts";
import {
  createSequenceRun,
  type SequenceRun,
  type SequenceRunOptions,
} from "../../src/runtime/sequence_run.ts";
import { withSharedLayers } from "../../src/runtime/shared_model.ts";
import { percentile } from "../../src/evaluation/divergence.ts";
import { loadCalibratedModel } from "../support/calibrated_model.ts";

const TOKEN_COUNT = Number(Deno.args[0] ?? 4032);
const ROUND_COUNT = Number(Deno.args[1] ?? 5);
const TOKENS_PER_ROUND = 8;
const SLICE = 64;

interface System {
  name: string;
  options: Pick<SequenceRunOptions, "profile"> & Partial<SequenceRunOptions>;
  /** Layers that read what an earlier one keeps. */
  shared?: { layer: number; source: number }[];
}

const balanced = { profile: { name: "balanced" } } as const;
const reading = (text: string) => ({ ...balanced, read: readMethod(text) });
/** The first is what the others are compared with. */
const SYSTEMS: readonly System[] = [
  { name: "balanced", options: balanced },
  { name: "exact (f16)", options: { profile: { name: "exact" } } },
  { name: "tight", options: { profile: { name: "tight" } } },
  { name: "paper", options: { profile: { name: "paper" } } },
  { name: "deltakv", options: { profile: { name: "deltakv" } } },
  { name: "xquant", options: { profile: { name: "xquant" } } },
  { name: "kvsharer:1", options: balanced, shared: [{ layer: 27, source: 11 }] },
  { name: "chunkkv:ratio=0.5", options: { ...balanced, keep: "chunkkv:ratio=0.5" } },
  { name: "chunkkv:ratio=0.1", options: { ...balanced, keep: "chunkkv:ratio=0.1" } },
  { name: "dbudgetkv", options: { ...balanced, keep: "dbudgetkv" } },
  { name: "think:ratio=0.4", options: { ...balanced, keep: "think:ratio=0.4" } },
  { name: "quest:blocks=16", options: reading("quest:blocks=16") },
  { name: "clusterkv:tokens=1024", options: reading("clusterkv:tokens=1024") },
  { name: "hcattention:tau=0.98", options: reading("hcattention:tau=0.98") },
];

const { model, calibration, promptIds } = await loadCalibratedModel(TOKEN_COUNT);

/** A sequence of a system whose prompt is read. */
async function readPrompt(own: LoadedModel, { name, options }: System): Promise<SequenceRun> {
  const maxTokens = (2 + ROUND_COUNT) * TOKENS_PER_ROUND;
  const run = await createSequenceRun(own, { calibration, ...options, promptIds, maxTokens });
  for (let position = 0; position < TOKEN_COUNT; position += SLICE) {
    await run.nextSlice({ wantsLogits: false });
  }
  console.error(`${name}: prompt of ${TOKEN_COUNT} tokens is read`);
  return run;
}

/** Milliseconds of a token, of all threads by processor. */
async function decode(run: SequenceRun): Promise<{ wallMs: number; processorMs: number }> {
  const [startMs, start] = [performance.now(), process.cpuUsage()];
  for (let token = 0; token < TOKENS_PER_ROUND; token++) await run.nextToken();
  const { user, system } = process.cpuUsage(start);
  return {
    wallMs: (performance.now() - startMs) / TOKENS_PER_ROUND,
    processorMs: (user + system) / 1000 / TOKENS_PER_ROUND,
  };
}

const median = (values: number[]) => percentile(values.toSorted((a, b) => a - b), 0.5);

/** Calls `body` with each system's sequence, all of them there at once. */
async function withRuns(
  systems: readonly System[],
  runs: readonly SequenceRun[],
  body: (runs: readonly SequenceRun[]) => Promise<void>,
): Promise<void> {
  const [system, ...others] = systems;
  if (system === undefined) return await body(runs);
  await withSharedLayers(model, system.shared ?? [], async (own) => {
    const run = await readPrompt(own, system);
    try {
      await withRuns(others, [...runs, run], body);
    } finally {
      run.destroy();
    }
  });
}

await withRuns(SYSTEMS, [], async (runs) => {
  const wallMs = runs.map((): number[] => []);
  const processorMs = runs.map((): number[] => []);
  for (let round = 0; round <= ROUND_COUNT; round++) {
    for (const [index, run] of runs.entries()) {
      const measured = await decode(run);
      if (round === 0) continue; // warms up
      wallMs[index].push(measured.wallMs);
      processorMs[index].push(measured.processorMs);
    }
  }
  for (const [index, { name }] of SYSTEMS.entries()) {
    const own = { wallMs: median(wallMs[index]), processorMs: median(processorMs[index]) };
    const ratio = {
      wallMs: own.wallMs / median(wallMs[0]),
      processorMs: own.processorMs / median(processorMs[0]),
    };
    console.log(JSON.stringify({ system: name, tokens: TOKEN_COUNT, ...own, ratio }));
  }
});
model.gpu.close();
