/**
 * Decoding behind a long prompt with values on the device and with values in host memory, at once
 * and with delays for each block that comes from there, in turn in one run: what else the machine
 * does falls on all. Prints a line of JSON for each pool.
 *
 *     deno run -A bench/serving/host_values_bench.ts [TOKENS [TAU [POOL...]]]
 *
 * POOL is the share of the arena that holds values; the arena is as large as the keys need beside.
 *
 * @module
 */

import { readMethod } from "../../src/runtime/read_method.ts";
import { createSequenceRun, type SequenceRun } from "../../src/runtime/sequence_run.ts";
import { loadCalibratedModel } from "../support/calibrated_model.ts";

const TOKEN_COUNT = Number(Deno.args[0] ?? 2048);
const TAU = Deno.args[1] ?? "0.98";
const POOLS = Deno.args.length > 2 ? Deno.args.slice(2) : ["0.12", "0.3"];
/** Microseconds for a block; null for values on the device. */
const DELAYS = [null, 0, 20, 100];
const ROUND_COUNT = 2;
const TOKENS_PER_ROUND = 4;

const { model, calibration, promptIds } = await loadCalibratedModel(TOKEN_COUNT);
const options = {
  profile: { name: "balanced" },
  promptIds,
  maxTokens: DELAYS.length * (1 + ROUND_COUNT) * TOKENS_PER_ROUND,
  calibration,
} as const;

/** A sequence whose prompt is read. */
async function readPrompt(run: SequenceRun): Promise<SequenceRun> {
  for (let position = 0; position < TOKEN_COUNT; position += 64) {
    await run.nextSlice({ wantsLogits: false });
  }
  return run;
}

/** Milliseconds of each token, and what was fetched for it. */
async function decode(run: SequenceRun) {
  const before = run.hostValues?.counts.fetchedBlockCount ?? 0;
  const startMs = performance.now();
  for (let token = 0; token < TOKENS_PER_ROUND; token++) await run.nextToken();
  const fetched = (run.hostValues?.counts.fetchedBlockCount ?? 0) - before;
  return {
    ms: (performance.now() - startMs) / TOKENS_PER_ROUND,
    fetched: fetched / TOKENS_PER_ROUND,
  };
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const mean = (values: number[]) => values.reduce((sum, value) => sum + value) / values.length;

const onDevice = await readPrompt(await createSequenceRun(model, options));
const wholeBytes = onDevice.stats.allocatedWordCount * 4;
for (const pool of POOLS) {
  const read = readMethod(`hcattention:tau=${TAU},pool=${pool}`);
  // A sealed block's keys are about 0.55 of it, and more of layers that keep all.
  const blockCount = Math.ceil((TOKEN_COUNT + options.maxTokens) / 64);
  const keyBytes = 0.62 * wholeBytes * blockCount / Math.floor(TOKEN_COUNT / 64 - 2);
  const arenaSizeBytes = Math.ceil(keyBytes / (1 - Number(pool)));
  const run = await readPrompt(
    await createSequenceRun(model, { ...options, read, arenaSizeBytes }),
  );
  const keyWords = run.stats.allocatedWordCount;
  const runs = DELAYS.map((delay) => ({ delay, ms: [] as number[], fetched: [] as number[] }));
  for (let round = 0; round <= ROUND_COUNT; round++) {
    for (const { delay, ms, fetched } of runs) {
      if (run.hostValues !== null) run.hostValues.readMicroseconds = delay ?? 0;
      const measured = await decode(delay === null ? onDevice : run);
      if (round === 0) continue; // warms up
      ms.push(measured.ms);
      fetched.push(measured.fetched);
    }
  }
  const { readTokenCount, readableTokenCount } = run.readCounts;
  console.log(JSON.stringify({
    ...{ tokens: TOKEN_COUNT, tau: TAU, pool, rounds: ROUND_COUNT },
    bytesOnDevice: { whole: wholeBytes, keys: keyWords * 4, pool: run.valueRoomBytes },
    hostBytes: run.hostValues?.counts.valueBytes.host,
    read: readTokenCount / readableTokenCount,
    delays: runs.map(({ delay, ms, fetched }) => ({
      microseconds: delay,
      ms: median(ms),
      fetched: mean(fetched),
    })),
  }));
  run.destroy();
}
onDevice.destroy();
model.gpu.close();
