/**
 * What replicas and their store carry, of a model of 8 billion parameters: for 1, 10 and 100
 * replicas, packed blocks beside f16 and fp8.
 *
 *     deno run -A bench/capacity/capacity_bench.ts
 *     deno run -A bench/capacity/capacity_bench.ts --trace FILE --replicas 10
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { type BlockForm, simulate, type Site, type TraceRequest } from "./simulate.ts";
import { makeTrace } from "./trace.ts";

/** Llama 3.1 8B: 32 layers, 8 KV heads of 128 channels, K and V. */
const F16_BYTES = 32 * 8 * 128 * 2 * 2;
/** `balanced`, as measured on SmolLM2-135M (bench/README.md), and its cold form. */
const [SEALED_RATIO, COLD_SHARE] = [7.55, 0.85];
/** Two raw tiles stand before each place where a prompt may begin. */
const TAIL_BYTES = 2 * 64 * F16_BYTES;
const RAW_COLD_SHARE = 0.88;
/** What moves blocks as they are, as LMCache does. */
const COPIED = { tailBytes: 0, codedPerSecond: Infinity, decodedPerSecond: Infinity };

const FORMS: readonly BlockForm[] = [
  {
    name: "packed, balanced",
    deviceBytes: F16_BYTES / SEALED_RATIO,
    storeBytes: COLD_SHARE * F16_BYTES / SEALED_RATIO,
    tailBytes: RAW_COLD_SHARE * TAIL_BYTES,
    // By one thread: bench/record/cpu/2026-11-29-cold-form.json.
    codedPerSecond: 18.7e6,
    decodedPerSecond: 34.4e6,
  },
  { name: "fp8", deviceBytes: F16_BYTES / 2, storeBytes: F16_BYTES / 2, ...COPIED },
  { name: "f16", deviceBytes: F16_BYTES, storeBytes: F16_BYTES, ...COPIED },
];

const SITE: Omit<Site, "replicaCount" | "isSticky"> = {
  deviceCapacity: 8 * 2 ** 30,
  storeCapacity: 64 * 2 ** 30,
  prefillTokensPerSecond: 4000,
  // 25 Gbit/s, of which nine tenths carry values.
  storeBytesPerSecond: 0.9 * 25e9 / 8,
};

/** With so many replicas requests are also sent to each in turn. */
const SPREAD_COUNT = 10;
const SESSIONS_PER_REPLICA = 8;

const traceOf = (replicaCount: number) =>
  makeTrace({
    seed: 1,
    sessionCount: SESSIONS_PER_REPLICA * replicaCount,
    durationSeconds: 600,
    instructionBlocks: 128,
    instructionKinds: 8,
    documentBlocks: 312,
    documentCount: 40 * replicaCount,
    turnTokens: 800,
    turnCount: 10,
    secondsPerTurn: 45,
  });

function row(trace: readonly TraceRequest[], form: BlockForm, site: Site) {
  const outcome = simulate(trace, form, site);
  const share = (tokens: number) => Number((tokens / outcome.promptTokens).toFixed(3));
  const perSecond = (bytes: number) => Number((bytes / outcome.seconds / 1e6).toFixed(1));
  const { replicas, coding, storeLine } = outcome.busy;
  return {
    replicas: site.replicaCount,
    form: form.name,
    sticky: site.isSticky,
    onDevice: share(outcome.deviceTokens),
    fromStore: share(outcome.storeTokens),
    read: share(outcome.readTokens),
    storeReadMBps: perSecond(outcome.storeReadBytes),
    storeWrittenMBps: perSecond(outcome.storeWrittenBytes),
    storeGB: Number((outcome.storeUsedBytes / 1e9).toFixed(1)),
    busyReplicas: Number(replicas.toFixed(2)),
    busyCoding: Number(coding.toFixed(2)),
    busyStoreLine: Number(storeLine.toFixed(3)),
  };
}

if (import.meta.main) {
  const options = parseArgs(Deno.args, { string: ["trace", "replicas"] });
  const counts = options.replicas ? [Number(options.replicas)] : [1, 10, 100];
  for (const replicaCount of counts) {
    const trace: TraceRequest[] = options.trace
      ? (await Deno.readTextFile(options.trace)).trim().split("\n").map((line) => JSON.parse(line))
      : traceOf(replicaCount);
    for (const form of FORMS) {
      console.log(JSON.stringify(row(trace, form, { ...SITE, replicaCount, isSticky: true })));
      if (replicaCount !== SPREAD_COUNT) continue;
      console.log(JSON.stringify(row(trace, form, { ...SITE, replicaCount, isSticky: false })));
    }
  }
}
